package plainreader

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"testing"
)

//go:embed reader.py
var program string

// Reader is a Python process with DuckDB and pyarrow. It is safe for concurrent use and answers one question at a time. It ends with the
// test that started it.
type Reader struct {
	mu      sync.Mutex
	in      io.WriteCloser
	answers *bufio.Reader
	cmd     *exec.Cmd
}

// Start starts a Reader. Where there is none to be had it says why in the test's log and returns false; with
// TIDEMILL_PLAIN_READERS=required it fails the test.
func Start(t testing.TB) (*Reader, bool) {
	t.Helper()
	env, err := environment()
	if err != nil {
		missing(t, err)
		return nil, false
	}
	cmd := exec.Command(env.python, "-c", program) //nolint:gosec // ours
	cmd.Env = env.vars
	stderr := &tail{}
	cmd.Stderr = stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatalf("plainreader: %v", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("plainreader: %v", err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("plainreader: start %s: %v", env.python, err)
	}
	r := &Reader{in: in, answers: bufio.NewReaderSize(out, 1<<20), cmd: cmd}
	t.Cleanup(func() {
		_ = in.Close() // it ends when there is nothing more to answer
		if err := cmd.Wait(); err != nil {
			t.Errorf("plainreader: %v: %s", err, stderr)
		}
	})
	return r, true
}

// Run runs Python code in which args is the variable args, and duckdb, pa (pyarrow), pq (its Parquet), ds (its datasets), glob and os are
// at hand. What the code leaves in the variable result is read into answer, as JSON: decimals and times are text, bytes hexadecimal.
func (r *Reader) Run(code string, args, answer any) error {
	request, err := json.Marshal(map[string]any{"code": code, "args": args})
	if err != nil {
		return fmt.Errorf("plainreader: encode arguments: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.in.Write(append(request, '\n')); err != nil {
		return fmt.Errorf("plainreader: ask: %w", err)
	}
	line, err := r.answers.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("plainreader: the process has ended: %w", err)
	}
	var said struct {
		Result json.RawMessage `json:"result"`
		Error  string          `json:"error"`
	}
	if err := json.Unmarshal(line, &said); err != nil {
		return fmt.Errorf("plainreader: answer %.200s: %w", line, err)
	}
	if said.Error != "" {
		return errors.New("plainreader: " + said.Error)
	}
	if err := json.Unmarshal(said.Result, answer); err != nil {
		return fmt.Errorf("plainreader: answer %.200s: %w", said.Result, err)
	}
	return nil
}

// tail keeps the end of what a process says.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	const most = 4096
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-most):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
