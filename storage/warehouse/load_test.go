package warehouse_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/payment/goldref"
	"github.com/tidemill/tidemill/storage/warehouse"
)

func bronzeModel(events []goldref.Event) goldref.Topic {
	return goldref.Of(events, time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
}

// lakeOf has all days of events in it, a file each.
func lakeOf(t testing.TB, events []goldref.Event) *memory {
	t.Helper()
	m := &memory{}
	for day, rows := range rowsOf(t, events) {
		m.put(string(day), day, rows)
	}
	return m
}

const lastDay = lake.Day("2024-12-31")

func TestLoad(t *testing.T) {
	events := topic(11, 800, 9)
	want := bronzeModel(events)
	if want.Duplicates == 0 || want.Conflicting == 0 {
		t.Fatal("the topic has no duplicates")
	}
	db, m := newDatabase(t), lakeOf(t, events)
	w := db.warehouse(m, warehouse.WithBatch(100))
	got := load(t, w, lastDay)
	a := got.Attempt
	if got.Files != 9 || got.LateFiles != 9 || a.Read != int64(len(want.Accepted)) || a.Loaded != int64(len(want.Bronze)) || a.Rejected+a.Skipped != 0 ||
		a.Duplicate+a.Conflicting+a.Replaced != int64(want.Duplicates+want.Conflicting) || a.Duplicate == 0 || a.Conflicting == 0 || a.Replaced == 0 {
		t.Errorf("load: %+v, want %d read, %d loaded, %d duplicates, %d conflicting", got, len(want.Accepted), len(want.Bronze), want.Duplicates, want.Conflicting)
	}
	if n := db.count(`SELECT count(*) FROM bronze.transactions`); n != int64(len(want.Bronze)) {
		t.Errorf("bronze has %d rows, want %d", n, len(want.Bronze))
	}
	audit := db.text(`SELECT status, files, late_files, rows_read, rows_loaded, rows_duplicate + rows_conflicting + rows_replaced, dag_id, run_id, task_id, try_number, duration_ms >= 0, error_message FROM metadata.load_audit`)
	compare(t, "load_audit", audit, []string{fmt.Sprintf(`["SUCCESS", 9, 9, %d, %d, %d, "daily_transactions", "run of 2024-12-31", "load_to_postgres", 1, true, null]`,
		len(want.Accepted), len(want.Bronze), want.Duplicates+want.Conflicting)})

	// The day's counts do not depend on attempts.
	var rows, duplicates int64
	for d := range 9 {
		c, err := w.Day(background, dayNumber(d))
		if err != nil {
			t.Fatal(err)
		}
		if c.LakeRows != int64(want.OKByDay[string(c.Day)]) || c.Rows+c.Duplicates != c.LakeRows {
			t.Errorf("%+v, want %d rows in the lake", c, want.OKByDay[string(c.Day)])
		}
		rows, duplicates = rows+c.Rows, duplicates+c.Duplicates
	}
	if rows != int64(len(want.Bronze)) || duplicates != int64(want.Duplicates+want.Conflicting) {
		t.Errorf("the days have %d rows and %d duplicates, want %d and %d", rows, duplicates, len(want.Bronze), want.Duplicates+want.Conflicting)
	}

	// Again: there is nothing to do. Another run's load does not take it for its own work.
	if again := load(t, w, lastDay); again.Attempt.Read != again.Attempt.Skipped || again.Attempt.Loaded != 0 {
		t.Errorf("load again: %+v", again)
	}
	if other := load(t, w, dayNumber(3)); other.Files != 0 || other.Attempt.Read != 0 {
		t.Errorf("load for another run: %+v", other)
	}
}

func TestBronzeIsTheSameInAnyOrderOfLoads(t *testing.T) {
	events := topic(12, 500, 9)
	rows := rowsOf(t, events)
	var want []string
	for _, a := range bronzeModel(events).Bronze {
		want = append(want, fmt.Sprint(a.TransactionID, a.Status, time.UnixMicro(int64(a.EventTime)).UTC().Format(" 2006-01-02 15:04:05.000000 "), a.Partition, " ", a.Offset))
	}
	r := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // a test's order
	for name, order := range map[string][]int{"in order": {0, 1, 2, 3, 4, 5, 6, 7, 8}, "reversed": {8, 7, 6, 5, 4, 3, 2, 1, 0}, "shuffled": r.Perm(9)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, m := newDatabase(t), &memory{}
			w := db.warehouse(m, warehouse.WithBatch(77))
			for _, d := range order {
				m.put(string(dayNumber(d)), dayNumber(d), rows[dayNumber(d)])
				load(t, w, lastDay)
			}
			got := db.strings(`SELECT concat(transaction_id, status, to_char(event_time AT TIME ZONE 'UTC', ' YYYY-MM-DD HH24:MI:SS.US '), kafka_partition, ' ', kafka_offset)
				FROM bronze.transactions ORDER BY 1`)
			compare(t, "bronze.transactions", got, sorted(want))
		})
	}
}

func TestTwoLoadsAtOnceEqualOne(t *testing.T) {
	events := topic(13, 800, 9)
	want := bronzeModel(events)
	db, m := newDatabase(t), lakeOf(t, events)
	var g errgroup.Group
	results := make([]warehouse.LoadResult, 2)
	for i := range results {
		g.Go(func() (err error) {
			results[i], err = db.warehouse(m, warehouse.WithBatch(50)).Load(background, request(lastDay, i+1))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := results[0].Attempt.Loaded + results[1].Attempt.Loaded; n != int64(len(want.Bronze)) {
		t.Errorf("loaded %d, want %d", n, len(want.Bronze))
	}
	if n := db.count(`SELECT count(*) FROM bronze.transactions`); n != int64(len(want.Bronze)) {
		t.Errorf("bronze has %d rows, want %d", n, len(want.Bronze))
	}
	if n := db.count(`SELECT sum(rows_done)::bigint FROM metadata.lake_files`); n != int64(len(want.Accepted)) {
		t.Errorf("the marks say %d rows, want %d", n, len(want.Accepted))
	}
}

// TestALoadThatMeetsAnother has another load commit events between the moment at which a load has looked them up and the one at which
// it copies them.
func TestALoadThatMeetsAnother(t *testing.T) {
	db, m := newDatabase(t), &memory{}
	m.put("first", dayNumber(0), rowsOf(t, topic(43, 40, 1))[dayNumber(0)])
	load(t, db.warehouse(m), dayNumber(0))
	want := sorted(db.strings(bronzeLines))
	db.exec(`CREATE TABLE public.kept AS TABLE bronze.transactions; DELETE FROM bronze.transactions; UPDATE metadata.lake_files SET rows_done = 0`)
	columns := strings.Join(copyColumns, ", ")
	c := &cutter{when: "COPY bronze.transactions", do: func() {
		db.exec(`INSERT INTO bronze.transactions (` + columns + `) SELECT ` + columns + ` FROM public.kept OFFSET 1`)
	}}
	pool := c.pool(t, db.url)
	defer pool.Close()
	result, err := warehouse.New(pool, m).Load(background, request(dayNumber(0), 2))
	if err != nil {
		t.Fatal(err)
	}
	if a := result.Attempt; a.Loaded != 1 || a.Duplicate == 0 || !c.cut {
		t.Errorf("%+v, want one row loaded", a)
	}
	compare(t, "bronze", sorted(db.strings(bronzeLines)), want)
}

func TestALoadOverSeveralConnections(t *testing.T) {
	events := topic(42, 800, 9)
	want := bronzeModel(events)
	db, m := newDatabase(t), lakeOf(t, events)
	a := load(t, db.warehouse(m, warehouse.WithBatch(50), warehouse.WithConnections(4)), lastDay).Attempt
	if a.Read != int64(len(want.Accepted)) || a.Loaded != int64(len(want.Bronze)) {
		t.Errorf("%+v, want %d of %d", a, len(want.Bronze), len(want.Accepted))
	}
	compare(t, "bronze", sorted(db.strings(bronzeLines)), wantBronze(events))
	compare(t, "load_audit", db.text(`SELECT status, files, rows_read, rows_loaded FROM metadata.load_audit`), []string{fmt.Sprintf(`["SUCCESS", 9, %d, %d]`, a.Read, a.Loaded)})
}

// other is the same lake under another name: its files are claimed apart from the first's, its rows are the same events.
type other struct{ *memory }

func (other) ID() string { return "other" }

func TestLoadsOfTheSameEventsAtOnce(t *testing.T) {
	events := topic(14, 600, 4)
	want := bronzeModel(events)
	db := newDatabase(t)
	forward, backward := &memory{}, &memory{}
	for day, rows := range rowsOf(t, events) {
		forward.put(string(day), day, rows)
		reversed := make([]payment.Row, len(rows))
		for i := range rows {
			reversed[len(rows)-1-i] = rows[i]
		}
		backward.put(string(day), day, reversed)
	}
	var g errgroup.Group
	for _, source := range []warehouse.Source{forward, other{backward}} {
		g.Go(func() error {
			_, err := db.warehouse(source, warehouse.WithBatch(200)).Load(background, request(lastDay, 1))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := db.count(`SELECT count(*) FROM bronze.transactions`); n != int64(len(want.Bronze)) {
		t.Errorf("bronze has %d rows, want %d", n, len(want.Bronze))
	}
}

func TestADeadlockIsRetriedInPlace(t *testing.T) {
	for _, code := range []string{"40P01", "40001"} {
		db, m := newDatabase(t), lakeOf(t, topic(15, 50, 2))
		db.exec(`CREATE SEQUENCE public.tries; CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN IF nextval('public.tries') <= 3 THEN RAISE EXCEPTION 'again' USING ERRCODE = '` + code + `'; END IF; RETURN NULL; END $$;
			CREATE TRIGGER fail AFTER INSERT ON metadata.loads FOR EACH ROW EXECUTE FUNCTION public.fail()`)
		got := load(t, db.warehouse(m), lastDay)
		if n := db.count(`SELECT last_value FROM public.tries`); n < 4 || got.Attempt.Loaded != db.count(`SELECT count(*) FROM bronze.transactions`) {
			t.Errorf("%s: %d tries, %+v", code, n, got)
		}
	}
}

func TestAnotherUniqueViolationFailsTheLoad(t *testing.T) {
	db, m := newDatabase(t), lakeOf(t, topic(16, 50, 2))
	m.put("one", dayNumber(0), rowsOf(t, topic(17, 1, 1))[dayNumber(0)][:1])
	load(t, db.warehouse(m), dayNumber(0))
	db.exec(`TRUNCATE bronze.transactions; UPDATE metadata.lake_files SET rows_done = 0;
		CREATE UNIQUE INDEX ON bronze.transactions_2024_01 (currency)`)
	_, err := db.warehouse(m).Load(background, request(lastDay, 1))
	if err == nil || !strings.Contains(err.Error(), "23505") {
		t.Errorf("load into a table with another key: %v", err)
	}
	if n := db.count(`SELECT count(*) FROM metadata.load_audit WHERE status = 'FAILED' AND error_message LIKE '%23505%'`); n != 1 {
		t.Errorf("%d failed loads", n)
	}
}

func TestARefusedRowIsSetAside(t *testing.T) {
	db := newDatabase(t)
	rows := rowsOf(t, topic(18, 300, 1))[dayNumber(0)]
	nul, email := "{\"a\":\"\x00\"}", "someone@example.com"
	rows[7].Extra, rows[7].CustomerEmail = &nul, &email
	rows[100].Amount = 1_000_000_000_000_000_000
	rows[101].EventTime = -1 << 62
	rows[len(rows)-1].City = new(string)
	*rows[len(rows)-1].City = "\xff"
	m := &memory{}
	m.put("file", dayNumber(0), rows)
	w := db.warehouse(m, warehouse.WithBatch(64))
	got := load(t, w, dayNumber(0))
	if got.Attempt.Rejected != 4 || got.Attempt.Read != int64(len(rows)) || got.Day.Rejected != 4 || got.Day.Rows != got.Attempt.Loaded {
		t.Errorf("load: %+v", got)
	}
	set := db.text(`SELECT file_row, sqlstate, kafka_offset FROM bronze.rejected ORDER BY file_row`)
	compare(t, "bronze.rejected", set, []string{
		fmt.Sprintf(`[7, "22021", %d]`, rows[7].KafkaOffset), fmt.Sprintf(`[100, "22003", %d]`, rows[100].KafkaOffset),
		fmt.Sprintf(`[101, "22008", %d]`, rows[101].KafkaOffset), fmt.Sprintf(`[%d, "22021", %d]`, len(rows)-1, rows[len(rows)-1].KafkaOffset)})
	if n := db.count(`SELECT count(*) FROM bronze.rejected WHERE record LIKE '%someone@%' OR record NOT LIKE '%"TransactionID"%'`); n != 0 {
		t.Errorf("%d set aside rows show personal data, or no record", n)
	}
	if n := db.count(`SELECT count(*) FROM metadata.load_audit WHERE status = 'SUCCESS' AND rows_rejected = 4`); n != 1 {
		t.Error("load_audit does not say so")
	}
}

func TestFarEventTimes(t *testing.T) {
	db, m := newDatabase(t), &memory{}
	rows := rowsOf(t, topic(19, 200, 1))[dayNumber(0)]
	for i, at := range []string{"1970-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "2000-01-01T00:00:00Z", "2024-02-29T00:00:00Z", "2099-12-31T23:59:59Z", "2100-01-01T00:00:00Z", "9999-12-31T23:59:59Z"} {
		parsed, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		rows[i].EventTime = parsed.UnixMicro()
		rows[i].TransactionID = fmt.Sprintf("far %d", i)
	}
	// Many loads at once want the same new tables.
	var g errgroup.Group
	for i := range 4 {
		m.put(itoa(i), dayNumber(0), rows[:7])
		g.Go(func() error {
			_, err := db.warehouse(m).Load(background, request(dayNumber(0), i+1))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	load(t, db.warehouse(m), dayNumber(0)) // whatever was put in after they had listed
	compare(t, "tables", db.text(`SELECT transaction_id, tableoid::regclass::text FROM bronze.transactions ORDER BY 1`), []string{
		`["far 0", "bronze.transactions_before_2000"]`, `["far 1", "bronze.transactions_before_2000"]`, `["far 2", "bronze.transactions_2000_01"]`,
		`["far 3", "bronze.transactions_2024_02"]`, `["far 4", "bronze.transactions_2099_12"]`, `["far 5", "bronze.transactions_from_2100"]`,
		`["far 6", "bronze.transactions_from_2100"]`})
	if n := db.count(`SELECT count(*) FROM metadata.lake_files WHERE rows_done = 7`); n != 4 {
		t.Errorf("%d files loaded", n)
	}
}

func TestAFileThatChangedIsRefused(t *testing.T) {
	db, m := newDatabase(t), lakeOf(t, topic(20, 50, 1))
	stop := fmt.Errorf("stopped")
	m.before = func(string, int) error { return stop }
	if _, err := db.warehouse(m).Load(background, request(lastDay, 1)); err == nil {
		t.Fatal("loaded")
	}
	m.before = nil
	m.files[0].Checksum = "sha256:another"
	if _, err := db.warehouse(m).Load(background, request(lastDay, 2)); !isFileChanged(err) {
		t.Errorf("load of a changed file: %v", err)
	}
}

func TestBadRequests(t *testing.T) {
	w := warehouse.New(nil, nil)
	_, err := w.Load(background, warehouse.Request{Day: "yesterday"})
	for _, name := range []string{"DAGID", "RunID", "TaskID", "try", "yesterday"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name %s: %v", name, err)
		}
	}
}
