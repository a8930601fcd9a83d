package enginetest

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
)

var outboxCases = []conformanceCase{
	{"each event of a transition leaves a message for each receiver known by then", outboxFansOut},
	{"without receivers events leave nothing, callbacks do", func(f *fixture) {
		run := f.running("d")
		f.change(engine.RunChange{Key: run, Events: []engine.Event{event(run, "task.failed")}, Callbacks: []engine.CallbackCall{call(run, "on_failure")}})
		msgs := got[[]engine.MessageRow](f)(f.Messages(f.ctx, 10))
		if len(msgs) != 1 || msgs[0].Kind != engine.MessageCallback {
			f.Errorf("messages: %v, want the callback", msgs)
		}
	}},
	{"a callback's message carries all of it", outboxCallback},
	{"emitted events leave messages, too", func(f *fixture) {
		f.ok(f.RegisterReceiver(f.ctx, "r", "http://r"))
		e := engine.Event{ID: uuid.New(), Type: engine.EventStreamFailed, At: Epoch, Data: []byte(`{}`)}
		f.ok(f.Emit(f.ctx, []engine.Event{e}))
		msgs := f.claimReceivers(5, 0, "r")
		if len(msgs) != 1 || msgs[0].EventID != e.ID || msgs[0].Type != e.Type {
			f.Errorf("messages: %v, want that of event %s", msgs, e.ID)
		}
	}},
	{"a receiver registered twice gets one message", func(f *fixture) {
		f.ok(f.RegisterReceiver(f.ctx, "r", "http://r"))
		f.ok(f.RegisterReceiver(f.ctx, "r", "http://elsewhere"))
		f.ok(f.Emit(f.ctx, []engine.Event{event(0, "alert")}))
		equal(f, "messages", len(f.claimReceivers(5, 0, "r")), 1)
	}},
	{"claims get what they ask for: DAGs, receivers, up to a limit, oldest first", outboxClaims},
	{"a claimed message is hidden from others for the time given", func(f *fixture) {
		f.emitted(1)
		equal(f, "first claim", len(f.claimReceivers(5, time.Hour, "r")), 1)
		equal(f, "second claim", len(f.claimReceivers(5, time.Hour, "r")), 0)
		f.emitted(1)
		equal(f, "claim of another, hidden for no time", len(f.claimReceivers(5, 0, "r")), 1)
		equal(f, "claim after that time", len(f.claimReceivers(5, time.Hour, "r")), 1)
	}},
	{"what a worker that is gone had claimed is due at once", func(f *fixture) {
		for _, remove := range []func(int64){
			func(w int64) { f.ok(f.Leave(f.ctx, w)) },
			func(w int64) { f.ok(f.Bury(f.ctx, []int64{w})) },
		} {
			f.emitted(1)
			dead, live := f.join("dead"), f.join("live")
			late, mine := uuid.New(), uuid.New()
			first := f.claimFor(dead, late)
			equal(f, "claimed", len(first), 1)
			equal(f, "claimed while its worker lives", len(f.claimFor(live, mine)), 0)
			remove(dead)
			again := f.claimFor(live, mine)
			equal(f, "claimed when its worker is gone", len(again), 1)
			equal(f, "event id", again[0].EventID, first[0].EventID)
			f.ok(f.FinishOutbox(f.ctx, first[0].ID, late, engine.Delivery{GaveUp: true}))
			f.ok(f.FinishOutbox(f.ctx, first[0].ID, mine, engine.Delivery{Done: true}))
			equal(f, "state", got[[]engine.MessageRow](f)(f.Messages(f.ctx, 1))[0].State, "delivered")
			equal(f, "claimed by a worker without a row", len(f.claimFor(dead, uuid.New())), 0)
		}
	}},
	{"a worker gets again what it has claimed and not finished", func(f *fixture) {
		f.emitted(2)
		w := f.join("w")
		claim := uuid.New()
		msgs := f.claimFor(w, claim)
		equal(f, "claimed", len(msgs), 2)
		f.ok(f.FinishOutbox(f.ctx, msgs[0].ID, claim, engine.Delivery{Done: true}))
		again := f.claimFor(w, uuid.New())
		equal(f, "claimed again", len(again), 1)
		equal(f, "the other", again[0].ID, msgs[1].ID)
	}},
	{"what is to be tried again waits for its time though its worker goes", func(f *fixture) {
		f.emitted(1)
		w := f.join("w")
		claim := uuid.New()
		m := f.claimFor(w, claim)[0]
		f.ok(f.FinishOutbox(f.ctx, m.ID, claim, engine.Delivery{RetryAt: f.future()}))
		f.ok(f.Bury(f.ctx, []int64{w}))
		equal(f, "claimed", len(f.claimFor(f.join("other"), uuid.New())), 0)
	}},
	{"a delivered message is over", func(f *fixture) {
		f.emitted(1)
		claim, m := f.claimOne(0)
		f.ok(f.FinishOutbox(f.ctx, m.ID, claim, engine.Delivery{Done: true}))
		f.finished("delivered", "")
	}},
	{"a message that was given up is over and failed", func(f *fixture) {
		f.emitted(1)
		claim, m := f.claimOne(0)
		f.ok(f.FinishOutbox(f.ctx, m.ID, claim, engine.Delivery{GaveUp: true, Error: "410 gone"}))
		f.finished("failed", "410 gone")
	}},
	{"a message is tried again at the time given, and counts its tries", outboxRetries},
	{"a stale claim finishes nothing", outboxStale},
	{"messages are shown newest first, up to a limit", func(f *fixture) {
		first, second, third := f.emitted(1)[0], f.emitted(1)[0], f.emitted(1)[0]
		for limit, want := range map[int][]uuid.UUID{2: {third, second}, 9: {third, second, first}} {
			var have []uuid.UUID
			for _, m := range got[[]engine.MessageRow](f)(f.Messages(f.ctx, limit)) {
				have = append(have, m.EventID)
				equal(f, "state", m.State, "pending")
				f.sameTime("ended at", m.EndedAt, nil)
			}
			equal(f, "messages", have, want)
		}
	}},
}

func event(run int64, typ string) engine.Event {
	return engine.Event{ID: uuid.New(), Type: typ, At: Epoch, DAG: "d", Run: run, Task: "t", Data: []byte(`{"a": "\u0000"}`)}
}

func call(run int64, hook string) engine.CallbackCall {
	return engine.CallbackCall{ID: uuid.New(), Hook: hook, DAG: "d", TaskKey: engine.TaskKey{Run: run, Task: "t", MapIndex: 2}, Data: []byte(`{"b": 1}`)}
}

// emitted emits n events to the receiver "r" and returns their ids.
func (f *fixture) emitted(n int) []uuid.UUID {
	f.Helper()
	f.ok(f.RegisterReceiver(f.ctx, "r", "http://r"))
	var ids []uuid.UUID
	for range n {
		e := event(0, "alert")
		f.ok(f.Emit(f.ctx, []engine.Event{e}))
		ids = append(ids, e.ID)
	}
	return ids
}

func (f *fixture) claimReceivers(limit int, hide time.Duration, receivers ...string) []engine.Message {
	f.Helper()
	return f.claimOutbox(engine.OutboxClaim{Receivers: receivers, Limit: limit, Hide: hide})
}

func (f *fixture) claimOutbox(c engine.OutboxClaim) []engine.Message {
	f.Helper()
	c.Claim = uuid.New()
	return got[[]engine.Message](f)(f.ClaimOutbox(f.ctx, c))
}

// claimFor claims messages for the receiver "r" as a worker, hidden from others for an hour.
func (f *fixture) claimFor(worker int64, claim uuid.UUID) []engine.Message {
	f.Helper()
	return got[[]engine.Message](f)(f.ClaimOutbox(f.ctx, engine.OutboxClaim{Claim: claim, Worker: worker, Receivers: []string{"r"}, Limit: 5, Hide: time.Hour}))
}

// claimOne claims the one message that is due for the receiver "r".
func (f *fixture) claimOne(hide time.Duration) (uuid.UUID, engine.Message) {
	f.Helper()
	claim := uuid.New()
	msgs := got[[]engine.Message](f)(f.ClaimOutbox(f.ctx, engine.OutboxClaim{Claim: claim, Receivers: []string{"r"}, Limit: 5, Hide: hide}))
	if len(msgs) != 1 {
		f.Fatalf("claimed %d messages, want one", len(msgs))
	}
	return claim, msgs[0]
}

// finished checks that the one message there is is over.
func (f *fixture) finished(state, errorText string) {
	f.Helper()
	equal(f, "claimed afterwards", len(f.claimReceivers(5, 0, "r")), 0)
	m := got[[]engine.MessageRow](f)(f.Messages(f.ctx, 5))[0]
	equal(f, "state", m.State, state)
	equal(f, "error", m.Error, errorText)
	if m.EndedAt == nil {
		f.Error("ended at: nil")
	}
}

func outboxFansOut(f *fixture) {
	run := f.running("d")
	f.ok(f.RegisterReceiver(f.ctx, "a", "http://a"))
	f.ok(f.RegisterReceiver(f.ctx, "b", "http://b"))
	one, two := event(run, "task.failed"), event(run, "run.failed")
	f.change(engine.RunChange{Key: run, Events: []engine.Event{one, two}})
	f.ok(f.RegisterReceiver(f.ctx, "late", "http://late"))
	equal(f, "for the late one", len(f.claimReceivers(9, 0, "late")), 0)
	for _, r := range []string{"a", "b"} {
		msgs := f.claimReceivers(9, 0, r)
		if len(msgs) != 2 {
			f.Fatalf("receiver %s gets %d messages, want 2", r, len(msgs))
		}
		for i, e := range []engine.Event{one, two} {
			m := msgs[i]
			equal(f, "event id", m.EventID, e.ID)
			equal(f, "kind", m.Kind, engine.MessageWebhook)
			equal(f, "receiver", m.Receiver, r)
			equal(f, "type", m.Type, e.Type)
			equal(f, "DAG", m.DAG, "d")
			equal(f, "run", m.Key.Run, run)
			equal(f, "task", m.Key.Task, "t")
			equal(f, "data", string(m.Data), string(e.Data))
			equal(f, "tries", m.Tries, 0)
			f.sameTime("at", &m.At, &e.At)
		}
	}
	f.change(engine.RunChange{Key: run, Events: []engine.Event{event(run, "task.retry")}})
	equal(f, "for the late one, of what came after", len(f.claimReceivers(9, 0, "late")), 1)
}

func outboxCallback(f *fixture) {
	run := f.running("d")
	c := call(run, "on_retry")
	f.change(engine.RunChange{Key: run, Callbacks: []engine.CallbackCall{c}})
	msgs := f.claimOutbox(engine.OutboxClaim{DAGs: []string{"d"}, Limit: 5})
	if len(msgs) != 1 {
		f.Fatalf("claimed %d messages, want one", len(msgs))
	}
	m := msgs[0]
	equal(f, "event id", m.EventID, c.ID)
	equal(f, "kind", m.Kind, engine.MessageCallback)
	equal(f, "hook", m.Hook, "on_retry")
	equal(f, "DAG", m.DAG, "d")
	equal(f, "key", m.Key, c.TaskKey)
	equal(f, "data", string(m.Data), string(c.Data))
	equal(f, "receiver", m.Receiver, "")
	equal(f, "tries", m.Tries, 0)
}

func outboxClaims(f *fixture) {
	d := f.running("d")
	e := f.running("e")
	for _, r := range []string{"a", "b"} {
		f.ok(f.RegisterReceiver(f.ctx, r, "http://"+r))
	}
	ofE := call(e, "h")
	ofE.DAG = "e"
	f.change(engine.RunChange{Key: d, Events: []engine.Event{event(d, "task.failed")}, Callbacks: []engine.CallbackCall{call(d, "h1"), call(d, "h2")}})
	f.change(engine.RunChange{Key: e, Callbacks: []engine.CallbackCall{ofE}})
	equal(f, "of nobody", len(f.claimOutbox(engine.OutboxClaim{Limit: 9})), 0)
	equal(f, "of a DAG without any", len(f.claimOutbox(engine.OutboxClaim{DAGs: []string{"nobody"}, Limit: 9})), 0)
	names := func(c engine.OutboxClaim) []string {
		var out []string
		for _, m := range f.claimOutbox(c) {
			out = append(out, m.DAG+" "+m.Hook+m.Receiver)
		}
		slices.Sort(out)
		return out
	}
	equal(f, "callbacks of d only, the oldest", names(engine.OutboxClaim{DAGs: []string{"d"}, Limit: 1}), []string{"d h1"})
	equal(f, "receiver b", names(engine.OutboxClaim{Receivers: []string{"b"}, Limit: 9}), []string{"d b"})
	f.claimReceivers(9, time.Hour, "b")
	equal(f, "all that are not hidden", names(engine.OutboxClaim{DAGs: []string{"d", "e"}, Receivers: []string{"a", "b"}, Limit: 9}), []string{"d a", "d h1", "d h2", "e h"})
}

func outboxRetries(f *fixture) {
	f.emitted(1)
	claim, m := f.claimOne(time.Hour)
	f.ok(f.FinishOutbox(f.ctx, m.ID, claim, engine.Delivery{RetryAt: f.past(), Error: "500"}))
	row := got[[]engine.MessageRow](f)(f.Messages(f.ctx, 5))[0]
	equal(f, "state", row.State, "pending")
	equal(f, "error", row.Error, "500")
	claim, again := f.claimOne(time.Hour)
	equal(f, "id", again.ID, m.ID)
	equal(f, "event id", again.EventID, m.EventID)
	equal(f, "tries", again.Tries, 1)
	later := f.future()
	f.ok(f.FinishOutbox(f.ctx, m.ID, claim, engine.Delivery{RetryAt: later, Error: "503"}))
	equal(f, "claimed before its time", len(f.claimReceivers(5, 0, "r")), 0)
	row = got[[]engine.MessageRow](f)(f.Messages(f.ctx, 5))[0]
	equal(f, "tries", row.Tries, 2)
	f.sameTime("next at", row.NextAt, &later)
}

func outboxStale(f *fixture) {
	f.emitted(1)
	stale, m := f.claimOne(0)
	mine, _ := f.claimOne(0)
	for _, r := range []engine.Delivery{{Done: true}, {GaveUp: true}, {RetryAt: f.future()}} {
		f.ok(f.FinishOutbox(f.ctx, m.ID, stale, r))
		row := got[[]engine.MessageRow](f)(f.Messages(f.ctx, 5))[0]
		equal(f, "state after a stale claim's finish", row.State, "pending")
		equal(f, "tries after a stale claim's finish", row.Tries, 0)
	}
	f.ok(f.FinishOutbox(f.ctx, m.ID, mine, engine.Delivery{Done: true}))
	f.finished("delivered", "")
	f.ok(f.FinishOutbox(f.ctx, m.ID, mine, engine.Delivery{GaveUp: true, Error: "late"}))
	f.finished("delivered", "")
}
