package warehouse_test

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/parquet-go/parquet-go"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/payment/goldref"
	"github.com/tidemill/tidemill/storage/warehouse"
)

// audited is a lake on disk that is loaded and built, with something of every kind in it.
type audited struct {
	database
	lake   *lake.Lake
	events []goldref.Event
}

const auditedDay = lake.Day("2024-01-02")

func newAudited(t *testing.T) *audited {
	t.Helper()
	events := topic(31, 400, 4)
	for i := range events {
		if i%97 == 0 {
			events[i].Value = []byte("no JSON") // a dead letter
		}
		if i%101 == 0 {
			events[i].Value = nil // a tombstone
		}
	}
	l := lakeOnDisk(t, events, 300)
	p := newPipeline(t, nil)
	p.exec(`ALTER TABLE bronze.transactions ADD CHECK (customer_id <> 'c13')`) // c13's are rejected
	w := p.warehouse(warehouse.FromLake(l))
	for d := range 4 {
		load(t, w, dayNumber(d))
	}
	p.run(dayNumber(3))
	p.pool.Close()
	return &audited{database: p.database, lake: l, events: events}
}

// copy is the same lake and database once more, to be broken.
func (a *audited) copy(t *testing.T) *audited {
	t.Helper()
	at, err := url.Parse(a.url)
	if err != nil {
		t.Fatal(err)
	}
	from := strings.TrimPrefix(at.Path, "/")
	at.Path = "/postgres"
	conn, err := pgx.Connect(background, at.String())
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the end of the sessions", func() bool {
		var n int
		err := conn.QueryRow(background, `SELECT count(*) FROM pg_stat_activity WHERE datname = $1`, from).Scan(&n)
		return err == nil && n == 0
	})
	name := fmt.Sprintf("t_%d_%s", os.Getpid(), strings.ReplaceAll(uuid.NewString(), "-", ""))
	if _, err := conn.Exec(background, "CREATE DATABASE "+name+" TEMPLATE "+from); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := conn.Exec(background, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
		_ = conn.Close(background)
	})
	at.Path = "/" + name
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(a.lake.Root())); err != nil {
		t.Fatal(err)
	}
	l, err := lake.Open(dir, "transactions")
	if err != nil {
		t.Fatal(err)
	}
	return &audited{database: database{t, at.String(), newPool(t, at.String())}, lake: l, events: a.events}
}

func (a *audited) audit(t *testing.T, req warehouse.AuditRequest) warehouse.DayAudit {
	t.Helper()
	req.Day = auditedDay
	got, err := a.warehouse(warehouse.FromLake(a.lake)).AuditDay(background, req)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// rewrite changes the rows of the day's first file, and says which there were.
func (a *audited) rewrite(t *testing.T, change func([]payment.Row) []payment.Row) []payment.Row {
	t.Helper()
	f := a.files(t)[0]
	before, err := parquet.ReadFile[payment.Row](a.lake.Abs(f))
	if err != nil {
		t.Fatal(err)
	}
	if err := parquet.WriteFile(a.lake.Abs(f), change(slices.Clone(before))); err != nil {
		t.Fatal(err)
	}
	return before
}

func (a *audited) files(t *testing.T) []lake.File {
	t.Helper()
	s, err := a.lake.State(background)
	if err != nil {
		t.Fatal(err)
	}
	files, err := s.FilesOf(auditedDay)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestAuditOfADay breaks each step from the lake to Gold by hand, and has the audit of the day name what was done.
func TestAuditOfADay(t *testing.T) {
	sound := newAudited(t)
	t.Run("sound", func(t *testing.T) {
		a := sound.copy(t)
		got := a.audit(t, warehouse.AuditRequest{DAGID: "daily_transactions", RunID: "run of " + string(dayNumber(3)), Through: 1 << 40})
		if !got.Clean() || got.Topic.Tombstones == 0 || got.Topic.DeadLetters == 0 {
			t.Errorf("%s", asJSON(t, got))
		}
		for name, tally := range map[string]warehouse.Tally{"lake": got.Lake, "bronze": got.Bronze, "duplicates": got.Duplicates, "rejected": got.Rejected, "gold": got.Gold, "superseded": got.Superseded} {
			if tally.Records == 0 || len(tally.Amounts()) < 2 {
				t.Errorf("%s: %s: nothing was tried", name, asJSON(t, tally))
			}
		}
		var want int64
		for _, e := range a.events {
			if lake.DayOf(e.Time) == auditedDay {
				want++
			}
		}
		if got.Topic.Records() != want {
			t.Errorf("%d records are of the day, want %d", got.Topic.Records(), want)
		}
	})

	t.Run("not done", func(t *testing.T) { auditNotDone(t, sound) })

	one := `(SELECT transaction_id, status, event_time FROM bronze.transactions WHERE processing_date = '2024-01-02' AND EXISTS
		(SELECT FROM gold.fct_transactions AS g WHERE g.transaction_id = transactions.transaction_id AND g.kafka_offset = transactions.kafka_offset
			AND g.kafka_partition = transactions.kafka_partition) ORDER BY 1, 2, 3 LIMIT 1)`
	where := ` WHERE (transaction_id, status, event_time) = ` + one
	gold := ` WHERE transaction_id = (SELECT min(transaction_id) FROM gold.fct_transactions WHERE processing_date = '2024-01-02')`
	place := ` RETURNING kafka_partition, kafka_offset`
	for name, c := range map[string]struct {
		sql   string // breaks, and returns the partition and the offset that are to be named
		spoil func(*testing.T, *audited) (partition int32, offset int64)
		where warehouse.Place
		say   string
	}{
		"a row deleted from bronze":       {sql: `DELETE FROM bronze.transactions` + where + place, where: warehouse.InBronze, say: "the lake has it, bronze has not"},
		"an amount changed in bronze":     {sql: `UPDATE bronze.transactions SET amount = amount + 1` + where + place, where: warehouse.InBronze, say: "amount is"},
		"a city changed in bronze":        {sql: `UPDATE bronze.transactions SET city = 'Atlantis'` + where + place, where: warehouse.InBronze, say: "city"},
		"an offset changed in bronze":     {sql: `UPDATE bronze.transactions SET kafka_offset = kafka_offset + 500000` + where + place, where: warehouse.InLake, say: "bronze has it, the lake has not"},
		"a row of nobody in bronze":       {sql: `INSERT INTO bronze.transactions (` + strings.Join(copyColumns, ", ") + `) SELECT 'ghost', ` + strings.Join(copyColumns[1:], ", ") + ` FROM bronze.transactions` + where + place, where: warehouse.InBronze, say: "transaction_id"},
		"an amount changed in Gold":       {sql: `UPDATE gold.fct_transactions SET amount = amount * 100` + gold + place, where: warehouse.InGold, say: "amount is"},
		"a currency changed in Gold":      {sql: `UPDATE gold.fct_transactions SET currency = 'XXX'` + gold + place, where: warehouse.InGold, say: "currency is"},
		"a payment deleted from Gold":     {sql: `DELETE FROM gold.fct_transactions` + gold + place, where: warehouse.InGold, say: "Gold has no row of its payment"},
		"a payment of nobody in Gold":     {sql: `INSERT INTO gold.fct_transactions SELECT (jsonb_populate_record(g, '{"transaction_id": "ghost"}')).* FROM gold.fct_transactions AS g` + gold + place, where: warehouse.InGold, say: "bronze has it not"},
		"an earlier record in Gold":       {sql: `UPDATE gold.fct_transactions SET event_time = event_time - interval '1 s'` + gold + place, where: warehouse.InGold, say: "earlier record"},
		"a payment moved to another day":  {sql: `UPDATE gold.fct_transactions SET processing_date = processing_date + 1` + gold + place, where: warehouse.InGold, say: "processing_date"},
		"a rejected row deleted":          {sql: `DELETE FROM bronze.rejected WHERE id = (SELECT min(id) FROM bronze.rejected WHERE processing_date = '2024-01-02')` + place, where: warehouse.InBronze, say: "the lake has it, bronze has not"},
		"a row of the lake taken out":     {spoil: func(t *testing.T, a *audited) (int32, int64) { return a.cutRow(t) }, where: warehouse.InLake, say: "bronze has it, the lake has not"},
		"an amount changed in the lake":   {spoil: func(t *testing.T, a *audited) (int32, int64) { return a.changeRow(t) }, where: warehouse.InBronze, say: "amount is"},
		"a row of the lake there twice":   {spoil: func(t *testing.T, a *audited) (int32, int64) { return a.doubleRow(t) }, where: warehouse.InLake, say: "2 times"},
		"a file of the lake deleted":      {spoil: func(t *testing.T, a *audited) (int32, int64) { return a.dropFile(t) }, where: warehouse.InLake, say: "bronze has it, the lake has not"},
		"a file of the lake that is none": {spoil: func(t *testing.T, a *audited) (int32, int64) { return a.spoilFile(t) }, where: warehouse.InLake, say: "bronze has it, the lake has not"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := sound.copy(t)
			var partition int32
			var offset int64
			if c.spoil != nil {
				partition, offset = c.spoil(t, a)
			} else if err := a.pool.QueryRow(background, c.sql).Scan(&partition, &offset); err != nil {
				t.Fatal(err)
			}
			got := a.audit(t, warehouse.AuditRequest{})
			if got.Sound() || got.Clean() {
				t.Fatal("nothing was found")
			}
			if !slices.ContainsFunc(got.Problems, func(p warehouse.Problem) bool {
				return p.Where == c.where && p.TopicID == "topic" && p.Partition != nil && *p.Partition == partition && *p.Offset == offset && strings.Contains(p.What, c.say)
			}) {
				t.Errorf("want %q in the %s of partition %d offset %d; found %d:", c.say, c.where, partition, offset, got.Wrong)
				for _, p := range got.Problems[:min(5, len(got.Problems))] {
					t.Log(p)
				}
			}
		})
	}
}

// auditNotDone: what is not loaded or built yet waits, unless it must be there by now.
func auditNotDone(t *testing.T, sound *audited) {
	unbuilt := `UPDATE metadata.loads SET built_by = NULL; DELETE FROM gold.fct_transactions WHERE processing_date = '2024-01-02'`
	unpublished := `UPDATE metadata.loads SET built_by = 99; DELETE FROM gold.fct_transactions WHERE processing_date = '2024-01-02'`
	us := warehouse.AuditRequest{DAGID: "daily_transactions", RunID: "run of " + string(auditedDay), Through: 1 << 40}
	for name, c := range map[string]struct {
		sql   string
		req   warehouse.AuditRequest
		sound bool
		books func(warehouse.DayAudit) int64 // that has what waits
	}{
		"a file not loaded":                {"", warehouse.AuditRequest{}, true, func(a warehouse.DayAudit) int64 { return a.Unloaded.Records }},
		"a file not loaded, of another's":  {"", warehouse.AuditRequest{Through: 2}, true, func(a warehouse.DayAudit) int64 { return a.Unloaded.Records }},
		"a file not loaded that must be":   {"", us, false, nil},
		"loads not built":                  {unbuilt, warehouse.AuditRequest{}, true, func(a warehouse.DayAudit) int64 { return a.Unbuilt.Records }},
		"loads not published":              {unpublished, warehouse.AuditRequest{}, true, func(a warehouse.DayAudit) int64 { return a.Unbuilt.Records }},
		"loads not built, of another run":  {unbuilt, warehouse.AuditRequest{DAGID: us.DAGID, RunID: "another"}, true, func(a warehouse.DayAudit) int64 { return a.Unbuilt.Records }},
		"loads of the run, not built":      {unbuilt, us, false, nil},
		"a payment that is to be replaced": {`UPDATE metadata.loads SET built_by = NULL; UPDATE gold.fct_transactions SET currency = 'XXX' WHERE processing_date = '2024-01-02'`, warehouse.AuditRequest{}, true, func(a warehouse.DayAudit) int64 { return a.Unbuilt.Records }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := sound.copy(t)
			if c.sql == "" { // a file comes in
				a.arrive(t, topic(32, 50, 4))
			} else {
				a.exec(c.sql)
			}
			got := a.audit(t, c.req)
			if got.Sound() != c.sound || got.Clean() || c.sound && (c.books(got) == 0 || c.books(got) != got.Waiting()) {
				t.Errorf("%s", asJSON(t, got))
			}
		})
	}
	if _, err := sound.copy(t).warehouse(&memory{}).AuditDay(background, warehouse.AuditRequest{Day: "yesterday"}); err == nil {
		t.Error("yesterday was audited")
	}
}

// arrive puts events into the lake, at the offsets that come next.
func (a *audited) arrive(t *testing.T, events []goldref.Event) {
	t.Helper()
	s, err := a.lake.State(background)
	if err != nil {
		t.Fatal(err)
	}
	next := map[int32]int64{}
	for i, e := range events {
		events[i].Offset = s.Next("topic", e.Partition) + next[e.Partition]
		next[e.Partition]++
	}
	commit(t, a.lake, events, len(events))
}

func (a *audited) cutRow(t *testing.T) (int32, int64) {
	at := a.inBronze(t)
	before := a.rewrite(t, func(rows []payment.Row) []payment.Row { return slices.Delete(rows, at, at+1) })
	return before[at].KafkaPartition, before[at].KafkaOffset
}

func (a *audited) changeRow(t *testing.T) (int32, int64) {
	at := a.inBronze(t)
	before := a.rewrite(t, func(rows []payment.Row) []payment.Row { rows[at].Amount++; return rows })
	return before[at].KafkaPartition, before[at].KafkaOffset
}

func (a *audited) doubleRow(t *testing.T) (int32, int64) {
	at := a.inBronze(t)
	before := a.rewrite(t, func(rows []payment.Row) []payment.Row { return append(rows, rows[at]) })
	return before[at].KafkaPartition, before[at].KafkaOffset
}

func (a *audited) dropFile(t *testing.T) (int32, int64) {
	at := a.inBronze(t)
	row := a.rewrite(t, func(rows []payment.Row) []payment.Row { return rows })[at]
	if err := os.Remove(a.lake.Abs(a.files(t)[0])); err != nil {
		t.Fatal(err)
	}
	return row.KafkaPartition, row.KafkaOffset
}

func (a *audited) spoilFile(t *testing.T) (int32, int64) {
	at := a.inBronze(t)
	row := a.rewrite(t, func(rows []payment.Row) []payment.Row { return rows })[at]
	if err := os.WriteFile(a.lake.Abs(a.files(t)[0]), []byte("PAR1 no more PAR1"), 0o600); err != nil {
		t.Fatal(err)
	}
	return row.KafkaPartition, row.KafkaOffset
}

// inBronze is the place, in the day's first file, of a row that bronze has.
func (a *audited) inBronze(t *testing.T) int {
	t.Helper()
	there := map[string]bool{}
	for _, at := range a.strings(`SELECT kafka_partition || ' ' || kafka_offset FROM bronze.transactions WHERE processing_date = '2024-01-02'`) {
		there[at] = true
	}
	rows, err := parquet.ReadFile[payment.Row](a.lake.Abs(a.files(t)[0]))
	if err != nil {
		t.Fatal(err)
	}
	return slices.IndexFunc(rows, func(r payment.Row) bool { return there[fmt.Sprintf("%d %d", r.KafkaPartition, r.KafkaOffset)] })
}
