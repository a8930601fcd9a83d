package warehouse_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/migrations"
	"github.com/tidemill/tidemill/storage/payment/goldref"
	"github.com/tidemill/tidemill/storage/warehouse"
)

// anywhere is a small load with all that a load can meet: new tables of months, copies and conflicts within a transaction and with
// what is there, a row that the database refuses. It is interrupted anywhere.
type anywhere struct {
	database
	lake *memory
	want []string // bronze
}

func newAnywhere(t *testing.T, db database) *anywhere {
	t.Helper()
	events := topic(41, 14, 2)
	return &anywhere{database: db, lake: lakeOf(t, events), want: wantBronze(events)}
}

// wantBronze is bronze as the contract's model has it, a line a row.
func wantBronze(events []goldref.Event) []string {
	var want []string
	for _, a := range bronzeModel(events).Bronze {
		want = append(want, fmt.Sprintf("%s %s %d %d", a.TransactionID, a.Status, a.Partition, a.Offset))
	}
	return sorted(want)
}

const bronzeLines = `SELECT concat_ws(' ', transaction_id, status, kafka_partition, kafka_offset) FROM bronze.transactions`

// reset empties the warehouse, and takes the tables of months away if asked to: making them costs more than all else.
func (a *anywhere) reset(months bool) {
	a.t.Helper()
	a.exec(`DELETE FROM bronze.transactions; DELETE FROM bronze.superseded; DELETE FROM bronze.rejected; DELETE FROM metadata.loads; DELETE FROM metadata.lake_files;
		DELETE FROM metadata.load_audit; DELETE FROM metadata.lake_days; DELETE FROM metadata.payment_changes`)
	if !months {
		return
	}
	a.exec(`DO $$ DECLARE month regclass; BEGIN FOR month IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'bronze.transactions'::regclass
			AND inhrelid::regclass::text ~ '_\d{4}_\d{2}$' LOOP EXECUTE 'DROP TABLE ' || month; END LOOP; END $$`)
}

// ended waits until the sessions of an interrupted load are gone: what the server has begun it ends.
func (a *anywhere) ended() {
	a.t.Helper()
	waitFor(a.t, "the end of the load's sessions", func() bool {
		var n int
		err := a.pool.QueryRow(background, `SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tidemill%' AND datname = current_database()`).Scan(&n)
		return err == nil && n == 0
	})
}

// finishes loads once more, and checks that nothing is lost or doubled and that the accounts tell the truth.
func (a *anywhere) finishes(t *testing.T) {
	t.Helper()
	if _, err := a.warehouse(a.lake, warehouse.WithBatch(10)).Load(background, request(lastDay, 2)); err != nil {
		t.Fatalf("the next try: %v", err)
	}
	compare(t, "bronze", sorted(a.strings(bronzeLines)), a.want)
	if n := a.count(`SELECT count(*) FROM metadata.lake_files WHERE rows_done <> rows`); n != 0 {
		t.Errorf("%d files are not loaded to the end", n)
	}
	for _, account := range a.text(`
		SELECT id, try_number, status, error_message FROM metadata.load_audit AS a LEFT JOIN LATERAL (
			SELECT coalesce(sum(rows_loaded), 0) AS l, coalesce(sum(rows_duplicate), 0) AS d, coalesce(sum(rows_conflicting), 0) AS c, coalesce(sum(rows_replaced), 0) AS r
			FROM metadata.loads WHERE audit_id = a.id) AS truth ON true
		WHERE (rows_loaded, rows_duplicate, rows_conflicting, rows_replaced) <> (l, d, c, r) OR status = 'RUNNING' OR try_number = 2 AND status <> 'SUCCESS'`) {
		t.Errorf("an account that is not true: %s", account)
	}
}

func TestALoadThatIsCutOffAnywhere(t *testing.T) {
	a := newAnywhere(t, newDatabase(t))
	through := func(c *cutter) error {
		pool := c.pool(t, a.url)
		defer pool.Close()
		log, option := criticalLog()
		_, err := warehouse.New(pool, a.lake, option, warehouse.WithBatch(10), warehouse.WithConnections(1+c.at%2)).Load(background, request(lastDay, 1))
		if err == nil && log.Len() > 0 {
			t.Errorf("a good load logs %s", log)
		}
		return err
	}
	whole := &cutter{}
	if err := through(whole); err != nil {
		t.Fatal(err)
	}
	a.ended()
	a.finishes(t)
	if whole.sent < 50 {
		t.Fatalf("the whole load sends %d times", whole.sent)
	}
	for at := 1; at <= whole.sent; at++ {
		ways := []*cutter{{at: at}}
		if at%4 == 0 {
			ways = append(ways, &cutter{at: at, dead: true})
		}
		for _, c := range ways {
			a.reset(at%8 == 0)
			err := through(c)
			a.ended()
			// A goodbye may be lost without harm: whoever is told that it is done must find it done.
			if err == nil && a.count(`SELECT count(*) FROM metadata.load_audit WHERE status = 'SUCCESS'`) != 1 {
				t.Errorf("cut off at %d of %d the load says that it succeeded, its account does not", at, whole.sent)
			}
			if a.finishes(t); t.Failed() {
				t.Fatalf("cut off at %d of %d, dead %t: %v", at, whole.sent, c.dead, err)
			}
		}
	}
}

// TestALoadWhoseDatabaseCrashes kills a process of PostgreSQL, whereupon the server ends all of them and recovers from its log.
func TestALoadWhoseDatabaseCrashes(t *testing.T) {
	url := testkit.Durable(t)
	if _, err := migrations.Up(background, url, migrations.Warehouse); err != nil {
		t.Fatal(err)
	}
	a := newAnywhere(t, database{t, url, newPool(t, url)})
	const points = 3
	sends := 0
	for point := range points + 1 {
		c := &cutter{at: sends * point / (points + 1), do: func() {
			pid := a.count(`SELECT pg_backend_pid()`)
			if err := syscall.Kill(int(pid), syscall.SIGKILL); err != nil {
				t.Errorf("kill process %d of PostgreSQL: %v", pid, err)
			}
			waitFor(t, "the crash", func() bool { return a.pool.Ping(background) != nil || a.count(`SELECT pg_backend_pid()`) != pid })
		}}
		pool := c.pool(t, url)
		log, option := criticalLog()
		_, err := warehouse.New(pool, a.lake, option, warehouse.WithBatch(10)).Load(background, request(lastDay, 1))
		pool.Close()
		if point == 0 { // nothing happens
			sends = c.sent - 8
		}
		if (err == nil) != (point == 0) {
			t.Errorf("at %d the load: %v (%s)", c.at, err, log)
		}
		waitFor(t, "the server", func() bool { return a.pool.Ping(background) == nil })
		a.ended()
		if a.finishes(t); t.Failed() {
			t.Fatalf("crashed at %d of %d: %v", c.at, sends, err)
		}
		a.reset(true)
	}
}

// TestALoadOnAFullDisk has each kind of table refuse to grow, at once and later on.
func TestALoadOnAFullDisk(t *testing.T) {
	for _, c := range []struct {
		table, on string
		after     int // how often it still grows
	}{
		{"metadata.load_audit", "INSERT", 0}, {"metadata.load_audit", "UPDATE", 0}, {"metadata.lake_files", "INSERT", 0}, {"metadata.lake_files", "INSERT", 1},
		{"metadata.lake_files", "UPDATE", 0}, {"metadata.lake_files", "UPDATE", 2}, {"metadata.loads", "INSERT", 0}, {"metadata.loads", "INSERT", 2},
		{"bronze.transactions", "INSERT", 0}, {"bronze.transactions", "INSERT", 7}, {"bronze.transactions", "INSERT", 20}, {"bronze.transactions", "UPDATE", 0},
	} {
		t.Run(fmt.Sprintf("%s of %s after %d", c.on, c.table, c.after), func(t *testing.T) {
			t.Parallel()
			a := newAnywhere(t, newDatabase(t))
			a.exec(fmt.Sprintf(`CREATE SEQUENCE public.grown; CREATE FUNCTION public.full() RETURNS trigger LANGUAGE plpgsql AS
				$$ BEGIN IF nextval('public.grown') > %d THEN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END IF; RETURN NEW; END $$;
				CREATE TRIGGER full_disk BEFORE %s ON %s FOR EACH ROW EXECUTE FUNCTION public.full()`, c.after, c.on, c.table))
			_, option := criticalLog()
			_, err := a.warehouse(a.lake, option, warehouse.WithBatch(10)).Load(background, request(lastDay, 1))
			if err == nil || !strings.Contains(err.Error(), "make room") {
				t.Errorf("the load: %v", err)
			}
			if n := a.count(`SELECT count(*) FROM bronze.rejected`); n != 0 {
				t.Errorf("%d rows were set aside for want of room", n)
			}
			a.exec(fmt.Sprintf(`DROP TRIGGER full_disk ON %s`, c.table))
			a.finishes(t)
		})
	}
}

// TestARepairThatIsCutOffAnywhere cuts off the load that follows a replay, at each message: the next one goes on where it ended, and
// bronze, and what stands behind it, is that of the files which the lake lists.
func TestARepairThatIsCutOffAnywhere(t *testing.T) {
	const days = 2
	rows := rowsOf(t, topic(42, 9, days))
	all := slices.Concat(rows[dayNumber(0)], rows[dayNumber(1)])
	for i := range all { // half of the events, so that much stands behind each
		other := all[i/2]
		all[i].TransactionID, all[i].Status, all[i].EventTime = other.TransactionID, other.Status, other.EventTime
	}
	a := &anywhere{database: newDatabase(t)}
	prepare := func() {
		a.reset(false)
		m := &memory{}
		for d := range days {
			m.put(string(dayNumber(d)), dayNumber(d), all[d*len(all)/days:(d+1)*len(all)/days])
		}
		load(t, a.warehouse(m), dayNumber(days-1))
		for d := range days {
			m.replay(dayNumber(d), mistaken(rand.New(rand.NewPCG(9, uint64(d))), all)) //nolint:gosec // a test's data
		}
		a.lake = m
	}
	through := func(c *cutter) error {
		pool := c.pool(t, a.url)
		defer pool.Close()
		req := request(dayNumber(days-1), 1)
		req.RunID = "after the replay"
		_, err := warehouse.New(pool, a.lake, warehouse.WithLogger(slog.New(slog.DiscardHandler)), warehouse.WithBatch(4)).Load(background, req)
		return err
	}
	finishes := func() {
		t.Helper()
		a.ended()
		req := request(dayNumber(days-1), 2)
		req.RunID = "after the replay"
		if _, err := a.warehouse(a.lake, warehouse.WithBatch(4)).Load(background, req); err != nil {
			t.Fatalf("the next try: %v", err)
		}
		a.lake.checkBronze(t, a.database, dayNumber(days-1))
	}
	prepare()
	whole := &cutter{}
	if err := through(whole); err != nil {
		t.Fatal(err)
	}
	finishes()
	if n := a.count(`SELECT sum(rows_removed)::bigint FROM metadata.loads`); n == 0 || whole.sent < 40 {
		t.Fatalf("%d rows are removed, %d messages sent: too little", n, whole.sent)
	}
	for at := 1; at <= whole.sent; at++ {
		prepare()
		err := through(&cutter{at: at, dead: at%5 == 0})
		if finishes(); t.Failed() {
			t.Fatalf("cut off at %d of %d: %v", at, whole.sent, err)
		}
	}
}
