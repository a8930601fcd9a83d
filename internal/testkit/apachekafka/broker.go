package apachekafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// broker is one JVM, or the place for it.
type broker struct {
	libs  string
	node  node
	cmd   *exec.Cmd     // nil: it was never started
	ended chan struct{} // closed when cmd has ended
}

func (b *broker) path(name string) string { return filepath.Join(b.node.dir, name) }

// java is a JVM with the jars; options come before the class.
func (b *broker) java(ctx context.Context, args ...string) *exec.Cmd {
	options := []string{"-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
		"-Dlog4j2.configurationFile=" + b.path("log4j2.properties"), "-cp", filepath.Join(b.libs, "*")}
	return exec.CommandContext(ctx, "java", append(options, args...)...) //nolint:gosec // our own arguments
}

// format makes the broker's folder and its empty storage.
func (b *broker) format(cluster string) error {
	if err := os.MkdirAll(b.node.dir, 0o700); err != nil {
		return fmt.Errorf("make the broker's folder: %w", err)
	}
	for name, text := range map[string]string{"server.properties": properties(b.node), "log4j2.properties": log4j} {
		if err := os.WriteFile(b.path(name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("configure the broker: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	args := []string{"kafka.tools.StorageTool", "format", "-t", cluster, "-c", b.path("server.properties")}
	if b.node.secure != nil {
		args = append(args, b.node.secure.scramUsers()...)
	}
	if said, err := b.java(ctx, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("format the broker's storage: %w\n%s", err, said)
	}
	return nil
}

// start runs the broker and waits until it serves.
func (b *broker) start() error {
	log, err := os.OpenFile(b.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	defer log.Close() //nolint:errcheck // the process has its own handle
	cmd := b.java(context.Background(), "kafka.Kafka", b.path("server.properties"))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for the test, which then ends it
	endWithParent(cmd.SysProcAttr)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	b.cmd, b.ended = cmd, make(chan struct{})
	go func() {
		defer close(b.ended)
		_ = cmd.Wait() // how it ended is in its log
	}()
	return b.await()
}

// await returns when the broker knows itself to be part of the cluster, and so serves.
func (b *broker) await() error {
	client, err := kgo.NewClient(kgo.SeedBrokers(address(b.node.ports.broker)), kgo.RetryTimeout(time.Second))
	if err != nil {
		return fmt.Errorf("ask broker: %w", err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	deadline := time.NewTimer(startLimit)
	defer deadline.Stop()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		known, err := admin.ListBrokers(ctx)
		cancel()
		if err == nil && slices.Contains(known.NodeIDs(), int32(b.node.id)) { //nolint:gosec // 1 to 3
			return nil
		}
		select {
		case <-b.ended:
			return fmt.Errorf("broker %d ended as it started:\n%s", b.node.id, b.said())
		case <-deadline.C:
			return fmt.Errorf("broker %d does not serve (%w):\n%s", b.node.id, err, b.said())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (b *broker) kill() error { return b.end(syscall.SIGKILL) }
func (b *broker) stop() error { return b.end(syscall.SIGTERM) }

// end signals a broker to end, if it runs, and waits for that.
func (b *broker) end(signal syscall.Signal) error {
	if b.cmd == nil {
		return nil
	}
	if err := b.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end broker %d: %w", b.node.id, err)
	}
	select {
	case <-b.ended:
		return nil
	case <-time.After(stopLimit):
		return fmt.Errorf("broker %d does not end:\n%s", b.node.id, b.said())
	}
}

func (b *broker) freeze() error { return b.cmd.Process.Signal(syscall.SIGSTOP) }
func (b *broker) thaw() error   { return b.cmd.Process.Signal(syscall.SIGCONT) }

// said is the end of the broker's log.
func (b *broker) said() string {
	const end = 4000
	text, err := os.ReadFile(b.path("log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-end):])
}
