package lakecrash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// cell is one experiment: a process that ingests is struck at a point.
type cell struct {
	world  *world
	at     point
	blow   blow
	fenced bool // stop only: the process that takes over takes this one for dead, and clears its files away
}

func (c cell) String() string {
	text := fmt.Sprintf("%s, %s, %s", c.world.name, c.blow, c.at)
	if c.fenced {
		text += ", fenced"
	}
	return text
}

// errUnstruck: the process came to its end without passing the point.
var errUnstruck = errors.New("the point never came")

// try does the experiment in a folder, as a group of its own.
func (c cell) try(ctx context.Context, dir, group string) (err error) {
	w := c.world
	if err := os.CopyFS(dir, os.DirFS(w.base)); err != nil {
		return err
	}
	a := w.assignment(dir, group)
	a.At, a.Blow = c.at, c.blow
	if w.rewrite != "" && w.rewrite != both {
		a.Rewrite = w.rewrite
	}
	b := w.assignment(dir, group) // the process that comes after it, or takes over
	b.FlushAge = 100 * time.Millisecond
	p, err := start(a)
	if err != nil {
		return err
	}
	defer p.end()
	select {
	case <-p.struck:
	case <-p.ended:
		select {
		case <-p.struck:
		default:
			return errors.Join(errUnstruck, p.wait())
		}
	case <-time.After(patience):
		return errUnstruck
	}
	if a.Rewrite != "" {
		return c.tryRewriter(ctx, p, a)
	}
	switch c.blow {
	case kill:
		err = w.afterKill(p, b)
	case stop:
		err = w.afterStop(ctx, p, b, c.fenced)
	default:
		err = w.afterError(p, b)
	}
	if err != nil {
		return err
	}
	return w.complete(ctx, a)
}

// afterKill looks at what a killed process left, and lets another go on. That is of a group of its own, so that it need not wait for the
// dead one's session to end: the lake alone says where to go on.
func (w *world) afterKill(p *process, b assignment) error {
	<-p.ended
	if !endedBy(p.err, syscall.SIGKILL) {
		return fmt.Errorf("it was not killed: %w", p.err)
	}
	if err := w.sound(b.Root); err != nil {
		return fmt.Errorf("after the kill: %w", err)
	}
	if err := w.beside(b); err != nil {
		return err
	}
	b.Group += "-next"
	return finish(b)
}

// afterStop lets another process of the group take over from a frozen one until all of the topic is in the lake, looks at that, and lets
// the frozen one go on to its end.
func (w *world) afterStop(ctx context.Context, p *process, b assignment, fenced bool) error {
	if err := p.frozen(); err != nil {
		return err
	}
	if err := w.beside(b); err != nil {
		return err
	}
	if fenced {
		b.CollectAfter = 1 // nanosecond
	}
	if err := finish(b); err != nil {
		return fmt.Errorf("the process that takes over: %w", err)
	}
	if err := w.complete(ctx, b); err != nil {
		return fmt.Errorf("while it is frozen: %w", err)
	}
	if err := p.frozen(); err != nil {
		return err
	}
	if err := p.signal(syscall.SIGCONT); err != nil {
		return err
	}
	if err := p.wait(); err != nil {
		return fmt.Errorf("the process that was frozen: %w", err)
	}
	return nil
}

// afterError waits for the process to get over it. One that gave up instead is started again, as the stream's supervisor would.
func (w *world) afterError(p *process, b assignment) error {
	if err := p.wait(); err == nil {
		return w.beside(b)
	}
	if err := w.sound(b.Root); err != nil {
		return fmt.Errorf("after it gave up: %w", err)
	}
	if err := w.beside(b); err != nil {
		return err
	}
	b.Group += "-next"
	return finish(b)
}

// beside lets another process rewrite the day that a stream's commit is on its way to, where that is tried.
func (w *world) beside(a assignment) error {
	if w.rewrite == "" {
		return nil
	}
	if err := w.rewriteOf(a, w.rewrite); err != nil {
		return err
	}
	if err := w.sound(a.Root); err != nil {
		return fmt.Errorf("after %s: %w", w.rewrite, err)
	}
	return nil
}

// finish lets a process bring the lake up to the topic.
func finish(a assignment) error {
	p, err := start(a)
	if err != nil {
		return err
	}
	defer p.end()
	return p.wait()
}

// assignment is that of a process that puts all that is on the topic, for which the lake has no place yet, there in one commit.
func (w *world) assignment(dir, group string) assignment {
	return assignment{Brokers: w.addrs, Topic: topic, Group: group, Root: filepath.Join(dir, lakeFolder), Mirror: filepath.Join(dir, mirrorFolder),
		FlushRows: batch, FlushAge: 10 * time.Second}
}

// points are those that a process passes that nothing disturbs.
func (w *world) points() ([]point, error) {
	dir := filepath.Join(w.t.TempDir(), "steps")
	if err := os.CopyFS(dir, os.DirFS(w.base)); err != nil {
		return nil, err
	}
	a := w.assignment(dir, "steps")
	a.Record = true
	if w.rewrite != "" && w.rewrite != both {
		a.Rewrite = w.rewrite
	}
	p, err := start(a)
	if err != nil {
		return nil, err
	}
	defer p.end()
	if err := p.wait(); err != nil {
		return nil, err
	}
	switch w.rewrite {
	case "":
		return p.points, w.complete(w.t.Context(), a)
	case both:
		return p.points, w.sees(a.Root, w.want.ends)
	default:
		return p.points, w.sees(a.Root, w.settled)
	}
}
