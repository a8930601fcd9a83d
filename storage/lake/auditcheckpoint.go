package lake

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
)

// agrees compares a checkpoint with the log folded up to it.
func (a *auditor) agrees(s *State) error {
	c, err := a.lake.readCheckpoint(s.Head)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if errors.Is(err, ErrCorrupt) {
		a.problem("%s", err)
		return nil
	}
	if err != nil {
		return err
	}
	kept := c.state()
	kept.segments = a.lake.segments
	same, err := sameState(s, kept)
	if errors.Is(err, ErrCorrupt) {
		a.problem("%s", err)
	} else if err != nil {
		return ignoreNotExist(err) // its lists were collected with it
	} else if !same {
		a.problem("checkpoint %d is not what the log says up to entry %d", s.Head, s.Head)
	}
	return nil
}

// sameState says whether two states of one entry say the same.
func sameState(a, b *State) (bool, error) {
	text := func(s *State) (string, error) {
		c := s.checkpoint(nil)
		head, err := c.encode()
		if err != nil {
			return "", err
		}
		names, err := s.listed()
		if err != nil {
			return "", err
		}
		ranges, err := s.allRanges()
		if err != nil {
			return "", err
		}
		return fmt.Sprint(string(head), slices.Sorted(maps.Keys(names)), mergeRanges(slices.Clone(ranges))), nil
	}
	x, err := text(a)
	if err != nil {
		return false, err
	}
	y, err := text(b)
	return x == y, err
}
