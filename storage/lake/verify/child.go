package verify

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// answer is what the child says of one file.
type answer struct {
	Reading Reading `json:"reading"`
	Error   string  `json:"error,omitempty"`
}

// Serve is the child: it reads paths from in, a line each, and writes a line of JSON for each to out, until in ends. It errs if it cannot
// read or write those; what is wrong with a file is part of the answer.
func Serve(in io.Reader, out io.Writer) error {
	lines, answers := bufio.NewScanner(in), json.NewEncoder(out)
	for lines.Scan() {
		if err := answers.Encode(answerFor(lines.Text())); err != nil {
			return fmt.Errorf("verify: answer: %w", err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("verify: read the next path: %w", err)
	}
	return nil
}

func answerFor(path string) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			a = answer{Error: fmt.Sprintf("panic: %v", p)}
		}
	}()
	r, err := second(path)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Reading: r}
}

// child is a running Serve. It is used by one goroutine.
type child struct {
	start   func(context.Context) *exec.Cmd
	cmd     *exec.Cmd // nil: none runs
	in      io.WriteCloser
	answers *json.Decoder
	said    *head
}

// read asks the child for a file, and starts it if none runs. fault is what that library says is wrong with the file, its death included;
// err is for a child that could not be started.
func (c *child) read(ctx context.Context, path string) (r Reading, fault string, err error) {
	if c.cmd == nil {
		if err := c.begin(ctx); err != nil {
			return Reading{}, "", err
		}
	}
	var a answer
	_, err = io.WriteString(c.in, path+"\n")
	if err == nil {
		err = c.answers.Decode(&a)
	}
	if err != nil {
		died := c.end()
		if ctx.Err() != nil {
			return Reading{}, "", ctx.Err()
		}
		return Reading{}, fmt.Sprintf("the process that read it died (%v): %s", errors.Join(died), c.said.firstLine()), nil
	}
	return a.Reading, a.Error, nil
}

func (c *child) begin(ctx context.Context) error {
	cmd := c.start(ctx)
	c.said = &head{}
	cmd.Stderr = c.said
	in, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("start the reading process: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start the reading process: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the reading process: %w", err)
	}
	c.cmd, c.in, c.answers = cmd, in, json.NewDecoder(out)
	return nil
}

// end lets the child end, and returns how it did.
func (c *child) end() error {
	if c.cmd == nil {
		return nil
	}
	_ = c.in.Close() // it may be gone
	err := c.cmd.Wait()
	c.cmd = nil
	return err
}

// head keeps the beginning of what a process says: a panic says first what it is.
type head struct{ text []byte }

func (h *head) Write(p []byte) (int, error) {
	const most = 4096
	h.text = append(h.text, p[:min(len(p), most-len(h.text))]...)
	return len(p), nil
}

func (h *head) firstLine() string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(h.text)), "\n")
	return line
}
