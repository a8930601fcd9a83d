package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/embedded/postgres"
	"github.com/tidemill/tidemill/internal/testkit"
)

// A database is a PostgreSQL server that can be restarted. It has one port for all its life.
type database struct {
	opts   postgres.Options
	server *postgres.Server
	gone   atomic.Bool
	outage atomic.Int64 // when it was last away, Unix milliseconds
}

func newDatabase(t *testing.T) *database {
	t.Helper()
	d := &database{opts: postgres.Options{Dir: filepath.Join(testkit.Home(t), "postgres"), Port: quietPort(t)}}
	if err := d.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.stop(context.Background(), false); err != nil {
			t.Error(err)
		}
	})
	return d
}

// quietPort finds a port that is free and that the kernel gives to no client: one that asked for the server while it is away would get
// connected to itself, and keep the server from its port.
func quietPort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 20_000 + rand.IntN(10_000) //nolint:gosec // any
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("no free port")
	return 0
}

func (d *database) start(ctx context.Context) (err error) {
	d.server, err = postgres.Start(ctx, d.opts)
	return err
}

// stop shuts the server down: fast, which ends all sessions, or immediately, as in a crash.
func (d *database) stop(ctx context.Context, immediately bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if immediately {
		text, err := os.ReadFile(filepath.Join(d.opts.Dir, "data", "postmaster.pid"))
		if err != nil {
			return err
		}
		line, _, _ := strings.Cut(string(text), "\n")
		pid, err := strconv.Atoi(line)
		if err != nil {
			return fmt.Errorf("process id of the server: %w", err)
		}
		if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
			return err
		}
		<-d.server.Exited()
	}
	return d.server.Stop(ctx)
}

// restart stops the server, keeps it away for a while and starts it again, whether or not ctx ends meanwhile.
func (d *database) restart(ctx context.Context, immediately bool, away time.Duration) error {
	d.gone.Store(true)
	// Where a disk is too busy for the last checkpoint, the server is cut off: one more crash.
	if err := d.stop(context.WithoutCancel(ctx), immediately); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	_ = pause(ctx, away)
	err := d.start(context.WithoutCancel(ctx))
	d.away()
	d.gone.Store(false)
	return err
}

// away notes that some or all connections break now.
func (d *database) away() { d.outage.Store(time.Now().UnixMilli()) }

// wasAway tells whether the database was away at some time since, or just before.
func (d *database) wasAway(since time.Time) bool {
	return d.gone.Load() || d.outage.Load() > since.Add(-5*time.Second).UnixMilli()
}
