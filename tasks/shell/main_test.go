package shell_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemill/tidemill/tasks/shell"
)

// workerEnv makes the test binary a worker that runs the script it holds, to be killed.
const workerEnv = "TIDEMILL_TEST_SCRIPT"

func TestMain(m *testing.M) {
	if script, ok := os.LookupEnv(workerEnv); ok {
		_, err := shell.Run(context.Background(), shell.Command{Script: script})
		fmt.Println(err)
		os.Exit(1)
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
	os.Exit(m.Run())
}

// logged is what all tests have logged: outside a task, the log of a body is slog's default.
var logged buffer

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// lines are the log's lines that hold text.
func (b *buffer) lines(text string) (found []string) {
	for line := range strings.Lines(b.String()) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it never came to be that %s", what)
		}
	}
}
