package shell_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemill/tidemill/tasks/shell"
)

// alive tells whether there is a process of this number that is not a zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return syscall.Kill(pid, 0) == nil && !errors.Is(err, os.ErrNotExist)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	return fields[0] != "Z"
}

// pidIn waits for a process to write its number into a file.
func pidIn(t *testing.T, file string) (pid int) {
	t.Helper()
	eventually(t, "a process wrote its number to "+filepath.Base(file), func() bool {
		raw, err := os.ReadFile(file)
		if err != nil || !strings.HasSuffix(string(raw), "\n") {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(raw)))
		return err == nil
	})
	return pid
}

type ended struct {
	result shell.Result
	err    error
}

// runUntil runs a script in the background until cancel is called.
func runUntil(t *testing.T, c shell.Command) (cancel context.CancelCauseFunc, end chan ended) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	end = make(chan ended, 1)
	go func() {
		r, err := shell.Run(ctx, c)
		end <- ended{r, err}
	}()
	return cancel, end
}

var errWhy = errors.New("the reason of the test")

func TestACancelledCommandCanPutThingsInOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cancel, end := runUntil(t, shell.Command{Dir: dir, Script: `
		trap 'echo put in order; touch cleaned; exit 0' TERM
		echo $$ > pid
		while :; do sleep 0.01; done`})
	pid := pidIn(t, filepath.Join(dir, "pid"))
	cancel(errWhy)
	got := <-end
	if !errors.Is(got.err, errWhy) {
		t.Errorf("error %v: want the cause, whatever the exit code", got.err)
	}
	if got.result.Stdout != "put in order\n" {
		t.Errorf("what it said while it ended is lost: %+v", got.result)
	}
	if _, err := os.Stat(filepath.Join(dir, "cleaned")); err != nil || alive(pid) {
		t.Errorf("cleaned: %v; alive: %v", err, alive(pid))
	}
}

func TestAStubbornGroupIsKilledAfterTheGrace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cancel, end := runUntil(t, shell.Command{Dir: dir, Grace: 50 * time.Millisecond, Script: `
		trap '' TERM
		sh -c 'trap "" TERM; echo $$ > child; while :; do sleep 0.01; done' &
		echo $$ > pid
		while :; do sleep 0.01; done`})
	pid, child := pidIn(t, filepath.Join(dir, "pid")), pidIn(t, filepath.Join(dir, "child"))
	cancel(errWhy)
	if got := <-end; !errors.Is(got.err, errWhy) {
		t.Errorf("error %v", got.err)
	}
	eventually(t, "the whole group is gone", func() bool { return !alive(pid) && !alive(child) })
}

// The rest of the group may still put things in order when the command itself has heeded SIGTERM at once.
func TestTheGraceIsTheGroups(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cancel, end := runUntil(t, shell.Command{Dir: dir, Script: `
		sh -c 'trap "sleep 0.2; touch cleaned; exit" TERM; echo $$ > child; while :; do sleep 0.01; done' &
		wait`})
	pidIn(t, filepath.Join(dir, "child"))
	cancel(errWhy)
	<-end
	if _, err := os.Stat(filepath.Join(dir, "cleaned")); err != nil {
		t.Errorf("the child was not let end: %v", err)
	}
}

// A process that was left behind holds the command's stdout. It neither keeps the task waiting nor lives on.
func TestWhatACommandLeavesRunningEndsWithIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, err := shell.Run(t.Context(), shell.Command{Dir: dir, Script: `
		sh -c 'echo $$ > child; while :; do sleep 0.01; done' &
		while ! [ -s child ]; do sleep 0.01; done
		echo done`})
	if err != nil || r.Stdout != "done\n" {
		t.Fatalf("%+v, %v", r, err)
	}
	child := pidIn(t, filepath.Join(dir, "child"))
	eventually(t, "the child is gone", func() bool { return !alive(child) })
}

// One that has left the group as well cannot be ended, but does not keep the task waiting, whether it prints or not.
func TestADaemonDoesNotHoldTheTask(t *testing.T) {
	t.Parallel()
	for name, does := range map[string]string{"noisy": "while :; do echo noise; done", "quiet": "exec sleep 1000"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, end := runUntil(t, shell.Command{Dir: dir, Stdin: make([]byte, 1<<20), Quiet: true, Script: `
				exec 3<&0 # it holds stdin as well
				setsid sh -c 'echo $$ > daemon; ` + does + `' <&3 &
				while ! [ -s daemon ]; do sleep 0.01; done
				exit 3`})
			daemon := pidIn(t, filepath.Join(dir, "daemon"))
			defer func() {
				if err := syscall.Kill(-daemon, syscall.SIGKILL); err != nil {
					t.Logf("the daemon: %v", err) // its pipe was closed
				}
			}()
			select {
			case got := <-end:
				if exit, ok := errors.AsType[*shell.ExitError](got.err); !ok || exit.Code != 3 {
					t.Errorf("%v", got.err)
				}
			case <-time.After(20 * time.Second):
				t.Error("the task waits for the daemon")
			}
		})
	}
}

func TestNothingIsStartedWhenTheContextHasEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errWhy)
	file := filepath.Join(t.TempDir(), "started")
	_, err := shell.Run(ctx, shell.Command{Path: "touch", Args: []string{file}})
	if _, serr := os.Stat(file); !errors.Is(err, errWhy) || serr == nil {
		t.Errorf("error %v; started: %v", err, serr == nil)
	}
}

// Its worker is killed: the command must not work on beside the attempt that another worker makes.
func TestACommandDiesWithItsWorker(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	worker := exec.Command(os.Args[0])
	worker.Env = append(os.Environ(), workerEnv+"=echo $$ > "+file+"; exec sleep 1000")
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	pid := pidIn(t, file)
	if !alive(pid) {
		t.Error("the command does not run")
	}
	if err := worker.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = worker.Wait() // it was killed
	eventually(t, "the command is gone", func() bool { return !alive(pid) })
}

// A line is in the log while the command runs.
func TestTheLogIsLive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, end := runUntil(t, shell.Command{Dir: dir, Args: []string{dir}, Script: `
		echo "live in $1: stdout"; echo "live in $1: stderr" >&2
		while ! [ -e go ]; do sleep 0.01; done; printf 'live in %s: no end' "$1"`})
	eventually(t, "both lines are logged", func() bool { return len(logged.lines("live in "+dir)) == 2 })
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := <-end; got.err != nil {
		t.Fatal(got.err)
	}
	for text, stream := range map[string]string{": stdout": "stream=stdout", ": stderr": "stream=stderr", ": no end": "stream=stdout"} {
		if lines := logged.lines("live in " + dir + text); len(lines) != 1 || !strings.Contains(lines[0], stream) {
			t.Errorf("%q is logged as %q", text, lines)
		}
	}
}
