package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// MaxOutput is the largest encoded output that a task may have, in bytes.
const MaxOutput = 1 << 20

// taskInputs is what an attempt reads: its run and what its upstreams left behind.
type taskInputs struct {
	run     *RunRow
	zone    *time.Location
	from    readings
	items   []mapItem                                     // its element of each list that its task is mapped over as one
	relabel func(ctx context.Context, label string) error // tells the name of the element; may be nil
}

// readings are what an attempt has read of its upstreams: few, and those without an output are not among them.
type readings []reading

type reading struct {
	task *Task
	Input
}

// of are the attempts of a task that were read; none when it was not.
func (r readings) of(t *Task) []Attempt {
	for i := range r {
		if r[i].task == t {
			return r[i].Attempts
		}
	}
	return nil
}

// set takes down what was read of a task, in place of what there was.
func (r *readings) set(t *Task, in Input) {
	for i := range *r {
		if (*r)[i].task == t {
			(*r)[i].Input = in
			return
		}
	}
	*r = append(*r, reading{t, in})
}

// maxLabel is how many characters of an element's name are kept.
const maxLabel = 200

func (in *taskInputs) nameAs(ctx context.Context, label string) error {
	if label = printable(label); label == "" || in.relabel == nil {
		return nil
	}
	return in.relabel(ctx, label)
}

func cutLabel(label string) string {
	if r := []rune(label); len(r) > maxLabel {
		return string(r[:maxLabel-1]) + "…"
	}
	return label
}

func (in *taskInputs) latest(t *Task) (Attempt, error) {
	got := in.from.of(t)
	if len(got) == 0 {
		return Attempt{}, Permanent(fmt.Errorf("input of %s: it has no output in this run", t.spec.ID))
	}
	return got[len(got)-1], nil
}

func decodeOutput[T any](in *taskInputs, t *Task) (T, error) {
	var v T
	a, err := in.latest(t)
	if err != nil {
		return v, err
	}
	return decodeValue[T](a.Output, t)
}

func decodeValue[T any](raw []byte, t *Task) (T, error) {
	var v T
	if raw == nil && t.checkOutput == nil {
		return v, nil // a task without output
	}
	if t.spec.Chooses {
		raw = unwrapTaken(raw)
	}
	if raw == nil {
		return v, Permanent(fmt.Errorf("input of %s: it is success but has no output in this run: clear it, or mark it with an output", t.spec.ID))
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, Permanent(fmt.Errorf("input of %s: its output does not decode into %T: %w", t.spec.ID, v, err))
	}
	return v, nil
}

func decodeElements[T any](in *taskInputs, t *Task) ([]T, error) {
	got := in.from.of(t)
	out := make([]T, len(got))
	for i, a := range got {
		v, err := decodeValue[T](a.Output, t)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// resultOf is how an attempt ended, as a reader of h sees it: of a way that was not taken it is a skip.
func resultOf[T any](a Attempt, h *node) (Result[T], error) {
	r := Result[T]{State: a.State}
	switch {
	case a.State != Success:
		r.Err = errors.New(a.Error)
		return r, nil
	case !h.task.went(a.Output, h.port):
		r.State, r.Err = Skipped, fmt.Errorf("%s took another way", h.task.spec.ID)
		return r, nil
	}
	var err error
	r.Value, err = decodeValue[T](a.Output, h.task)
	return r, err
}

// went tells whether an output of t says that it went this way; any will do for "".
func (t *Task) went(output []byte, port string) bool {
	if port == "" {
		return true
	}
	name, err := t.takenBy(output)
	return err == nil && name == port
}

// succeeded tells whether what h stands for has succeeded: every element of a mapped task, and by this way of one that chooses.
func (in *taskInputs) succeeded(h *node) bool {
	got := in.from.of(h.task)
	for _, a := range got {
		if a.State != Success || !h.task.went(a.Output, h.port) {
			return false
		}
	}
	return len(got) > 0
}

// encodeOutput turns what a body returned into bytes as they are stored.
func encodeOutput[T any](v T, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, Permanent(fmt.Errorf("encode output: %w", err))
	}
	if len(raw) > MaxOutput {
		return nil, Permanent(fmt.Errorf("output is %d bytes of JSON; at most %d are kept: store it elsewhere and return where it is", len(raw), MaxOutput))
	}
	return raw, nil
}

// checkOutput tells whether raw is the JSON of a T, strictly.
func checkOutput[T any](raw []byte) error {
	var v T
	return strictly(raw, &v)
}

// printable makes text storable anywhere: valid UTF-8 without U+0000.
func printable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
