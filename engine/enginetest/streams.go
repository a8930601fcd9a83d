package enginetest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
)

type stream struct {
	rec      engine.StreamRecord
	paused   bool
	replicas []*replica // those beyond rec.Replicas are not claimed any more
}

type replica struct {
	number     int
	lease      uuid.UUID // nil: nobody's
	worker     int64
	startedAt  *time.Time
	progress   []byte
	progressAt *time.Time
	restarts   int
	cause      string
	nextStart  *time.Time // nil: at once
}

// RegisterStreams implements engine.StreamStore.
func (s *Store) RegisterStreams(ctx context.Context, recs []engine.StreamRecord) error {
	return exec(ctx, s, "RegisterStreams", func(time.Time) error {
		for _, rec := range recs {
			st := s.streams[rec.Name]
			if st == nil {
				st = &stream{}
				s.streams[rec.Name] = st
			}
			st.rec = rec
			for len(st.replicas) < rec.Replicas {
				st.replicas = append(st.replicas, &replica{number: len(st.replicas)})
			}
		}
		return nil
	})
}

type claimedStream struct {
	lease engine.StreamLease
	ok    bool
}

// ClaimStream implements engine.StreamStore. A worker without a row gets none.
func (s *Store) ClaimStream(ctx context.Context, name string, worker int64, lease uuid.UUID) (engine.StreamLease, bool, error) {
	c, err := query(ctx, s, "ClaimStream", func(now time.Time) (claimedStream, error) {
		st := s.streams[name]
		if st == nil || st.paused || s.workers[worker] == nil {
			return claimedStream{}, nil
		}
		for _, r := range st.replicas[:st.rec.Replicas] {
			if s.runsReplica(r) || (r.nextStart != nil && r.nextStart.After(now)) {
				continue
			}
			r.lease, r.worker, r.startedAt, r.nextStart = lease, worker, &now, nil
			l := engine.StreamLease{Name: name, Replica: r.number, ID: lease, Worker: worker, Restarts: r.restarts}
			return claimedStream{l, true}, nil
		}
		return claimedStream{}, nil
	})
	return c.lease, c.ok, err
}

// runsReplica tells whether a worker that has a row holds the replica.
func (s *Store) runsReplica(r *replica) bool { return leased(r.lease) && s.workers[r.worker] != nil }

type beatenStream struct{ held, paused bool }

// BeatStream implements engine.StreamStore. Progress that is nil leaves what there is.
func (s *Store) BeatStream(ctx context.Context, l engine.StreamLease, progress []byte) (held, paused bool, err error) {
	b, err := query(ctx, s, "BeatStream", func(now time.Time) (beatenStream, error) {
		st := s.streams[l.Name]
		if st == nil {
			return beatenStream{}, nil
		}
		r := st.holder(l)
		if r != nil && progress != nil {
			r.progress, r.progressAt = bytes.Clone(progress), &now
		}
		return beatenStream{r != nil, st.paused}, nil
	})
	return b.held, b.paused, err
}

// holder returns the replica that still carries a lease, or nil.
func (st *stream) holder(l engine.StreamLease) *replica {
	if st == nil || !leased(l.ID) || l.Replica < 0 || l.Replica >= len(st.replicas) {
		return nil
	}
	if r := st.replicas[l.Replica]; r.lease == l.ID {
		return r
	}
	return nil
}

// EndStream implements engine.StreamStore. A lease that is not held any more ends nothing.
func (s *Store) EndStream(ctx context.Context, l engine.StreamLease, cause string, next time.Time, events []engine.Event) error {
	return exec(ctx, s, "EndStream", func(now time.Time) error {
		r := s.streams[l.Name].holder(l)
		if r == nil {
			return nil
		}
		r.lease, r.worker, r.startedAt, r.cause = uuid.Nil, 0, nil, cause
		if cause == "" {
			return nil
		}
		r.nextStart = &next
		r.restarts++
		s.emit(events, now)
		return nil
	})
}

// ResetRestarts implements engine.StreamStore. A lease that is not held any more resets nothing.
func (s *Store) ResetRestarts(ctx context.Context, l engine.StreamLease) error {
	return exec(ctx, s, "ResetRestarts", func(time.Time) error {
		if r := s.streams[l.Name].holder(l); r != nil {
			r.restarts = 0
		}
		return nil
	})
}

// SetStreamPaused implements engine.StreamStore. engine.ErrNotFound when there is no stream of that name.
func (s *Store) SetStreamPaused(ctx context.Context, name string, paused bool, acts ...engine.AuditEntry) error {
	return exec(ctx, s, "SetStreamPaused", func(now time.Time) error {
		st := s.streams[name]
		if st == nil {
			return fmt.Errorf("stream %q: %w", name, engine.ErrNotFound)
		}
		if st.paused == paused {
			return nil
		}
		st.paused = paused
		s.note(acts, now)
		return nil
	})
}

// Streams implements engine.StreamStore: by name.
func (s *Store) Streams(ctx context.Context) ([]engine.StreamStatus, error) {
	return query(ctx, s, "Streams", func(time.Time) ([]engine.StreamStatus, error) {
		var out []engine.StreamStatus
		for _, st := range slices.SortedFunc(maps.Values(s.streams), func(a, b *stream) int {
			return cmp.Compare(a.rec.Name, b.rec.Name)
		}) {
			status := engine.StreamStatus{Name: st.rec.Name, Doc: st.rec.Doc, Paused: st.paused}
			for _, r := range st.replicas[:st.rec.Replicas] {
				status.Replicas = append(status.Replicas, s.replicaStatus(st, r))
			}
			out = append(out, status)
		}
		return out, nil
	})
}

func (s *Store) replicaStatus(st *stream, r *replica) engine.ReplicaStatus {
	status := engine.ReplicaStatus{
		Replica: r.number, State: "stopped", StartedAt: copyOf(r.startedAt), Progress: bytes.Clone(r.progress),
		ProgressAt: copyOf(r.progressAt), Restarts: r.restarts, Error: r.cause, NextStart: copyOf(r.nextStart),
	}
	switch {
	case s.runsReplica(r):
		status.State = "running"
		status.Worker = s.workers[r.worker].row.Name
	case st.paused:
		status.State = "paused"
	case r.nextStart != nil:
		status.State = "restarting"
	}
	return status
}
