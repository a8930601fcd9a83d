package enginetest

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
)

type receiver struct{ name, url string }

type message struct {
	row    engine.MessageRow
	claim  uuid.UUID // of who delivers it now
	worker int64     // that does
}

// The states of a message.
const (
	messagePending   = "pending"
	messageDelivered = "delivered"
	messageFailed    = "failed"
)

// RegisterReceiver implements engine.Outbox.
func (s *Store) RegisterReceiver(ctx context.Context, name, url string) error {
	return exec(ctx, s, "RegisterReceiver", func(time.Time) error {
		s.receivers = slices.DeleteFunc(s.receivers, func(r receiver) bool { return r.name == name })
		s.receivers = append(s.receivers, receiver{name, url})
		return nil
	})
}

// Emit implements engine.Outbox.
func (s *Store) Emit(ctx context.Context, events []engine.Event) error {
	return exec(ctx, s, "Emit", func(now time.Time) error {
		s.emit(events, now)
		return nil
	})
}

// emit leaves a message of each event for each receiver known by now.
func (s *Store) emit(events []engine.Event, now time.Time) {
	for _, e := range events {
		for _, r := range s.receivers {
			s.send(engine.Message{
				EventID: e.ID, Kind: engine.MessageWebhook, Receiver: r.name, DAG: e.DAG,
				Key: engine.TaskKey{Run: e.Run, Task: e.Task, MapIndex: -1}, Type: e.Type,
				Data: bytes.Clone(e.Data), At: e.At,
			}, now)
		}
	}
}

func (s *Store) call(calls []engine.CallbackCall, now time.Time) {
	for _, c := range calls {
		s.send(engine.Message{
			EventID: c.ID, Kind: engine.MessageCallback, Hook: c.Hook, DAG: c.DAG, Key: c.TaskKey,
			Data: bytes.Clone(c.Data), At: now,
		}, now)
	}
}

func (s *Store) send(m engine.Message, now time.Time) {
	m.ID = int64(len(s.messages) + 1)
	msg := &message{row: engine.MessageRow{Message: m, State: messagePending, NextAt: &now}}
	s.messages = append(s.messages, msg)
	s.pending[m.ID] = msg
}

// ClaimOutbox implements engine.Outbox: the oldest messages first.
func (s *Store) ClaimOutbox(ctx context.Context, c engine.OutboxClaim) ([]engine.Message, error) {
	return query(ctx, s, "ClaimOutbox", func(now time.Time) ([]engine.Message, error) {
		if c.Worker != 0 {
			if s.workers[c.Worker] == nil {
				return nil, nil
			}
			s.unclaim(c.Worker, now)
		}
		var due []*message
		for m := range maps.Values(s.pending) {
			if wanted(c, m.row.Message) && !m.row.NextAt.After(now) {
				due = append(due, m)
			}
		}
		slices.SortFunc(due, func(a, b *message) int { return cmp.Compare(a.row.ID, b.row.ID) })
		var out []engine.Message
		for _, m := range due[:min(len(due), c.Limit)] {
			hidden := now.Add(c.Hide)
			m.claim, m.worker, m.row.NextAt = c.Claim, c.Worker, &hidden
			out = append(out, copyMessage(m.row.Message))
		}
		return out, nil
	})
}

// unclaim makes due what a worker has claimed and not finished.
func (s *Store) unclaim(worker int64, now time.Time) {
	for m := range maps.Values(s.pending) {
		if m.worker == worker && worker != 0 {
			m.claim, m.worker, m.row.NextAt = uuid.Nil, 0, &now
		}
	}
}

func wanted(c engine.OutboxClaim, m engine.Message) bool {
	if m.Kind == engine.MessageWebhook {
		return slices.Contains(c.Receivers, m.Receiver)
	}
	return slices.Contains(c.DAGs, m.DAG)
}

// FinishOutbox implements engine.Outbox. Tries counts the deliveries that were finished.
func (s *Store) FinishOutbox(ctx context.Context, id int64, claim uuid.UUID, r engine.Delivery) error {
	return exec(ctx, s, "FinishOutbox", func(now time.Time) error {
		m := s.pending[id]
		if m == nil || m.claim != claim {
			return nil
		}
		m.claim, m.worker = uuid.Nil, 0
		m.row.Tries++
		m.row.Error = r.Error
		if !r.Done && !r.GaveUp {
			m.row.NextAt = &r.RetryAt
			return nil
		}
		delete(s.pending, id)
		m.row.State = messageDelivered
		if r.GaveUp {
			m.row.State = messageFailed
		}
		m.row.NextAt, m.row.EndedAt = nil, &now
		return nil
	})
}

// Messages implements engine.Reader.
func (s *Store) Messages(ctx context.Context, limit int) ([]engine.MessageRow, error) {
	return query(ctx, s, "Messages", func(time.Time) ([]engine.MessageRow, error) {
		var out []engine.MessageRow
		for _, m := range slices.Backward(s.messages) {
			if len(out) == limit {
				break
			}
			row := m.row
			row.Message = copyMessage(row.Message)
			row.NextAt, row.EndedAt = copyOf(row.NextAt), copyOf(row.EndedAt)
			out = append(out, row)
		}
		return out, nil
	})
}

func copyMessage(m engine.Message) engine.Message {
	m.Data = bytes.Clone(m.Data)
	return m
}
