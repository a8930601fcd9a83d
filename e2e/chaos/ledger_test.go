package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemill/tidemill/engine"
)

// A proof is what a body yields: which attempt made it.
type proof struct {
	Run     int64  `json:"run"`
	Task    string `json:"task"`
	Element int    `json:"element"`
	Try     int    `json:"try"`
}

// A ledger is where bodies and callbacks of one process write what they did, on connections of its own.
type ledger struct {
	pool *pgxpool.Pool
	seed uint64
}

// exec runs a statement until the database has taken it: it may be away for a while. The statement must bear a repetition.
func (l *ledger) exec(ctx context.Context, sql string, args ...any) error {
	for {
		_, err := l.pool.Exec(ctx, sql, args...)
		var pg *pgconn.PgError
		if err == nil || ctx.Err() != nil || errors.As(err, &pg) && !strings.HasPrefix(pg.Code, "57P") {
			return err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// chance is a number in [0, n) that follows from the seed and the attempt; habit is one that is the same for all tries of an instance.
func (l *ledger) chance(ctx context.Context, of string, n uint64) int {
	info, _ := engine.Info(ctx)
	return l.draw(n, info.Key(), info.Try, of)
}

func (l *ledger) habit(ctx context.Context, of string, n uint64) int {
	info, _ := engine.Info(ctx)
	return l.draw(n, info.Key(), of)
}

func (l *ledger) draw(n uint64, from ...any) int {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, append(from, l.seed)...)
	return int(h.Sum64() >> 20 % n) //nolint:gosec // below n
}

// work is the body of most tasks: it may fail, for now or for good, or skip.
func (l *ledger) work(ctx context.Context, read ...proof) (proof, error) {
	switch l.chance(ctx, "fate", 60) {
	case 0, 1, 2, 3:
		return proof{}, errors.New("bad luck")
	case 4:
		return proof{}, engine.Permanent(errors.New("very bad luck"))
	case 5:
		return proof{}, engine.Skip("no mood")
	case 6:
		panic("worst luck")
	}
	return l.surely(ctx, read...)
}

// surely checks what was read, takes its time and writes down that it did.
func (l *ledger) surely(ctx context.Context, read ...proof) (proof, error) {
	info, _ := engine.Info(ctx)
	me := proof{Run: info.Run, Task: info.Task, Element: info.MapIndex, Try: info.Try}
	for _, p := range read {
		if p.Run != info.Run {
			what := fmt.Sprintf("%+v was given %+v", me, p)
			return me, errors.Join(errors.New(what), l.exec(ctx, `INSERT INTO chaos.complaints VALUES ($1)`, what))
		}
	}
	nonce := uuid.New()
	err := l.exec(ctx, `INSERT INTO chaos.begun (nonce, run, task, element, try, worker) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		nonce.String(), me.Run, me.Task, me.Element, me.Try, info.Worker)
	if err != nil {
		return me, err
	}
	if !strings.HasPrefix(me.Task, "tx_") {
		if err := l.dawdle(ctx); err != nil {
			return me, err
		}
		return me, l.exec(ctx, `UPDATE chaos.begun SET done = true WHERE nonce = $1`, nonce.String())
	}
	tx, err := engine.Tx[pgx.Tx](ctx)
	if err != nil {
		return me, err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO chaos.effects VALUES ($1, $2, $3, $4, $5)`, me.Run, me.Task, me.Element, me.Try, info.Worker); err != nil {
		return me, err
	}
	return me, l.dawdle(ctx)
}

// dawdle takes a moment, seldom a long one. Some are always slow, so that one that was frozen wakes up beside its replacement, and some do
// not listen to their context.
func (l *ledger) dawdle(ctx context.Context) error {
	d := time.Duration(1+l.chance(ctx, "pause", 30)) * time.Millisecond
	switch {
	case l.habit(ctx, "slow", 15) == 0:
		d = 500*time.Millisecond + time.Duration(l.chance(ctx, "slow", 3500))*time.Millisecond
	case l.chance(ctx, "long", 10) == 0:
		d = 300 * time.Millisecond
	}
	if l.chance(ctx, "deaf", 5) == 0 {
		return pause(context.WithoutCancel(ctx), d)
	}
	return pause(ctx, d)
}

// call is every callback: it writes down what it is told. Some err the first time.
func (l *ledger) call(ctx context.Context, e engine.CallbackEvent) error {
	if e.ID[0] < 12 {
		tag, err := l.pool.Exec(ctx, `INSERT INTO chaos.refused VALUES ($1) ON CONFLICT DO NOTHING`, e.ID.String())
		if err == nil && tag.RowsAffected() == 1 {
			return errors.New("not now")
		}
	}
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return l.told(ctx, e.ID, engine.MessageCallback, data)
}

// webhook is the receiver of webhooks.
func (l *ledger) webhook(ctx context.Context, m engine.Message) error {
	return l.told(ctx, m.EventID, engine.MessageWebhook, m.Data)
}

func (l *ledger) told(ctx context.Context, id uuid.UUID, kind string, data []byte) error {
	return l.exec(ctx, `INSERT INTO chaos.told (event, kind, data) VALUES ($1, $2, $3)
		ON CONFLICT (event, kind) DO UPDATE SET deliveries = told.deliveries + 1, same = told.same AND told.data = excluded.data`, id.String(), kind, string(data))
}
