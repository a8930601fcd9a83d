package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/tidemill/tidemill/storage/blob"
	"github.com/tidemill/tidemill/storage/blob/blobtest"
	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

// Variables that make the test binary be another program.
const (
	roleVar    = "INGEST_TEST_ROLE"    // broker | ingester
	brokersVar = "INGEST_TEST_BROKERS" // ingester: comma-separated
	rootVar    = "INGEST_TEST_ROOT"    // ingester: the lake's folder
	killVar    = "INGEST_TEST_KILL"    // ingester: the changing step on the disk before which it is killed; negative: never
	recordsVar = "INGEST_TEST_RECORDS" // broker: how many payments lie on the topic
	daysVar    = "INGEST_TEST_DAYS"    // broker: of how many days in turn; 0: one day after the other
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case "":
		os.Exit(m.Run())
	case "broker":
		exitOn(brokerMain())
	case "ingester":
		exitOn(ingesterMain())
	default:
		exitOn(errors.New("unknown role"))
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child is this binary in another role.
func child(role string, vars ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0]) // #nosec G204: this test binary
	cmd.Env = append(append(os.Environ(), roleVar+"="+role), vars...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// brokerMain prints its address once the topic is filled.
func brokerMain() error {
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(os.Getenv(recordsVar))
	if err != nil {
		return err
	}
	days, err := strconv.Atoi(os.Getenv(daysVar))
	if err != nil {
		return err
	}
	if err := fillTopic(c.ListenAddrs(), n, benchPartitions, days); err != nil {
		return err
	}
	fmt.Println(strings.Join(c.ListenAddrs(), ","))
	select {}
}

// ingesterMain ingests until the lake has caught up, or kills itself on the way.
func ingesterMain() error {
	kill, err := strconv.Atoi(os.Getenv(killVar))
	if err != nil {
		return err
	}
	steps := 0
	disk := &blobtest.Intercept{FS: blob.Dir(os.Getenv(rootVar)), Before: func(op, name string) error {
		if steps == kill {
			fmt.Println("killed before", op, name)
			return syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		}
		steps++
		return nil
	}}
	brokers := strings.Split(os.Getenv(brokersVar), ",")
	l, err := lake.Open(os.Getenv(rootVar), topic, lake.WithFS(disk))
	if err != nil {
		return err
	}
	in, err := New(Config[payment.Row]{
		Brokers: brokers, Topic: topic, Group: fmt.Sprintf("test-%d", os.Getpid()), Lake: l, Transform: Payments,
		FlushRows: 80, FlushAge: 100 * time.Millisecond, Tick: 20 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	if err := l.Finish(ctx); err != nil { // the lake may have caught up before Run has begun
		stop()
		return err
	}
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	for {
		d, err := Lag(ctx, brokers, topic, nil, l)
		if err != nil || d.CaughtUp() {
			stop()
			return errors.Join(err, <-done)
		}
		select {
		case err := <-done:
			stop()
			return fmt.Errorf("ended before it had caught up: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
