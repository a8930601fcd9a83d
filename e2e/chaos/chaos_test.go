package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/migrations"
	"github.com/tidemill/tidemill/storage/postgres"
)

func TestMain(m *testing.M) {
	if text, ok := os.LookupEnv(childEnv); ok {
		if err := child(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const (
	lengthEnv     = "TIDEMILL_CHAOS"      // how long the faults go on, such as 2m or 1h
	seedEnv       = "TIDEMILL_CHAOS_SEED" // of faults, people and fates; the machine's pace decides too
	defaultLength = 40 * time.Second
	settleLimit   = 4 * time.Minute
)

func length(t *testing.T) time.Duration {
	t.Helper()
	text, ok := os.LookupEnv(lengthEnv)
	if !ok {
		return defaultLength
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		t.Fatalf("%s=%q: give a time such as 2m", lengthEnv, text)
	}
	return d
}

func seed(t *testing.T) uint64 {
	t.Helper()
	text, ok := os.LookupEnv(seedEnv)
	if !ok {
		return rand.Uint64N(1_000_000) //nolint:gosec // any
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q: give a number", seedEnv, text)
	}
	return n
}

// Whatever happens to processes and database, and whatever people do meanwhile: every run ends as its leaves say, nothing happens twice
// that must happen once, and nothing is lost.
func TestTheBooksBalance(t *testing.T) {
	runtime.LockOSThread() // for good: the processes die with this thread
	length, seed := length(t), seed(t)
	t.Logf("%s of faults, seed %d (%s=%d)", length, seed, seedEnv, seed)
	db := newDatabase(t)
	url := db.server.URL()
	if _, err := migrations.Up(t.Context(), url, migrations.Engine); err != nil {
		t.Fatal(err)
	}
	look, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer look.Close()
	if _, err := look.Exec(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	s, err := postgres.Open(t.Context(), url, postgres.Options{AppName: "people"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	lastBeat := time.Now().Add(length).Truncate(time.Second).UTC()
	catalog, err := engine.Compile(dags(&ledger{}, lastBeat)...)
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{t: t, tell: assignment{URL: url, Seed: seed, LastBeat: lastBeat}, logs: t.ArtifactDir()}
	defer f.end()
	for i := range processes {
		f.start(i)
	}
	p := &people{t: t, db: db, control: engine.NewControl(s, catalog, ""), rng: rand.New(rand.NewPCG(seed, 1)), counts: map[string]int{}, clears: map[int64]int{}, failed: map[int64]bool{}} //nolint:gosec // a game
	eventually(t, f, "the processes have joined", func() (string, bool) {
		n := count(t.Context(), look, `SELECT count(*) FROM tidemill.workers`)
		return fmt.Sprint(n), n == processes
	})
	if err := p.control.SetPool(t.Context(), engine.Pool{Name: pool, Slots: poolSlots}, "test"); err != nil {
		t.Fatal(err)
	}

	faulty, calm := context.WithTimeout(t.Context(), length)
	defer calm()
	var others sync.WaitGroup
	others.Go(func() { p.meddle(faulty) })
	others.Go(func() { watchPool(t, faulty, look) })
	pl := &plague{fleet: f, db: db, rng: rand.New(rand.NewPCG(seed, 2)), counts: map[string]int{}, cut: func(ctx context.Context) { //nolint:gosec // a game
		db.away() // for some
		// An error says that the database is away: then they are cut already.
		_, _ = look.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.3`)
	}}
	if err = pl.rage(faulty); err != nil {
		t.Error(err) // at once: the others may wait for what is gone
	}
	calm()
	others.Wait()
	t.Logf("faults: %v, %d processes", pl.counts, f.started)
	t.Logf("people: %v", p.counts)
	if err != nil {
		return
	}

	eventually(t, f, "every run is over", func() (string, bool) {
		open := count(t.Context(), look, `SELECT count(*) FROM tidemill.runs WHERE state NOT IN ('success', 'failed')`)
		missing := count(t.Context(), look, `SELECT count(*) FROM tidemill.dags d WHERE dag_id = 'scheduled' AND NOT EXISTS (
			SELECT FROM tidemill.runs r WHERE r.dag_id = 'scheduled' AND r.logical_date > $1::timestamptz - $2::interval)`, lastBeat, beatEvery)
		return fmt.Sprintf("%d open, %d to come", open, missing), open == 0 && missing == 0
	})
	eventually(t, f, "everything is told", func() (string, bool) {
		// A process that was killed with messages in its hands has hidden them from the others for minutes: they show up now.
		_, err := look.Exec(t.Context(), `UPDATE tidemill.outbox SET next_at = clock_timestamp() WHERE state = 'pending' AND claim IS NOT NULL AND next_at > clock_timestamp() + '1 minute' AND at < clock_timestamp() - '10 s'::interval`)
		n := count(t.Context(), look, `SELECT count(*) FROM tidemill.outbox WHERE state = 'pending'`)
		return fmt.Sprintf("%d pending, %v", n, err), err == nil && n == 0
	})
	eventually(t, f, "the dead are buried", func() (string, bool) {
		n := count(t.Context(), look, `SELECT count(*) FROM tidemill.workers`)
		return fmt.Sprint(n), n == processes
	})
	f.retire(t.Context())
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // only read
	balance(t, t.Context(), conn, p)
	tell(t, look, s)
}

// watchPool sees to it that a pool never gives more slots than it has.
func watchPool(t *testing.T, ctx context.Context, look *pgxpool.Pool) { //nolint:revive // the test comes first
	for pause(ctx, 30*time.Millisecond) == nil {
		var n int
		if err := look.QueryRow(ctx, `SELECT coalesce(sum(slots), 0) FROM tidemill.task_queue WHERE pool = $1 AND lease IS NOT NULL`, pool).Scan(&n); err == nil && n > poolSlots {
			t.Errorf("%d slots of a pool of %d are taken", n, poolSlots)
		}
	}
}

func count(ctx context.Context, look *pgxpool.Pool, sql string, args ...any) (n int) {
	if err := look.QueryRow(ctx, sql, args...).Scan(&n); err != nil {
		return -1
	}
	return n
}

// eventually waits until something is so.
func eventually(t *testing.T, f *fleet, what string, so func() (string, bool)) {
	t.Helper()
	limit, cancel := context.WithTimeout(t.Context(), settleLimit)
	defer cancel()
	for {
		f.check()
		how, yes := so()
		if yes {
			return
		}
		if pause(limit, 100*time.Millisecond) != nil {
			t.Errorf("not so in time: %s (%s)", what, how)
			return
		}
	}
}

// tell says how much has happened.
func tell(t *testing.T, look *pgxpool.Pool, s *postgres.Store) {
	t.Helper()
	n := func(sql string) int { return count(t.Context(), look, sql) }
	t.Logf("%d runs, %d attempts (%d successful, %d lost, %d cancelled), %d bodies begun, %d effects through Tx, %d messages told %d times",
		n(`SELECT count(*) FROM tidemill.runs`), n(`SELECT count(*) FROM tidemill.attempts WHERE try > 0`), n(`SELECT count(*) FROM tidemill.attempts WHERE ending = 'success'`),
		n(`SELECT count(*) FROM tidemill.attempts WHERE ending = 'lost'`), n(`SELECT count(*) FROM tidemill.attempts WHERE ending = 'cancelled'`),
		n(`SELECT count(*) FROM chaos.begun`), n(`SELECT count(*) FROM chaos.effects`), n(`SELECT count(*) FROM chaos.told`), n(`SELECT sum(deliveries)::int FROM chaos.told`))
	t.Logf("processes: %d repairs, transactions repeated: %d deadlocks, %d serialisation failures, %d lock waits, %d cut off; %d unknown commits settled",
		n(`SELECT sum(repairs)::int FROM chaos.reports`), n(`SELECT sum(deadlocks)::int FROM chaos.reports`), n(`SELECT sum(serial)::int FROM chaos.reports`),
		n(`SELECT sum(lock_waits)::int FROM chaos.reports`), n(`SELECT sum(cut_off)::int FROM chaos.reports`), n(`SELECT sum(unknown)::int FROM chaos.reports`))
	t.Logf("people's: %+v", s.Stats())
}
