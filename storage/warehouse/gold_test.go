package warehouse_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/payment/goldref"
	"github.com/tidemill/tidemill/storage/warehouse"
)

const (
	testDays = 10
	payments = 400
)

// pipeline is a lake whose days become visible one by one, its warehouse and its dbt.
type pipeline struct {
	database
	*dbt
	lake *memory
	w    *warehouse.Warehouse
	all  []goldref.Event
}

func newPipeline(t *testing.T, events []goldref.Event) *pipeline {
	t.Helper()
	db := newDatabase(t)
	m := &memory{}
	return &pipeline{database: db, dbt: newDBT(t, db.url), lake: m, w: db.warehouse(m, warehouse.WithBatch(250)), all: events}
}

// arrive puts the files of a day into the lake: two, so that a day has more than one.
func (p *pipeline) arrive(t *testing.T, label string, day lake.Day, events []goldref.Event) {
	t.Helper()
	rows := rowsOf(t, events)[day]
	p.lake.put(fmt.Sprintf("%s-%s-a", day, label), day, rows[:len(rows)/2])
	p.lake.put(fmt.Sprintf("%s-%s-b", day, label), day, rows[len(rows)/2:])
}

// daily does what the DAG does for a day, without its tests.
func (p *pipeline) daily(t *testing.T, day lake.Day) {
	t.Helper()
	load(t, p.w, day)
	p.run(day)
}

func TestGoldWithDaysInOrder(t *testing.T) {
	p := newPipeline(t, topic(1, payments, testDays))
	p.exec(`CREATE VIEW public.of_a_reader AS SELECT status, count(*) FROM gold.fct_transactions GROUP BY status`)
	for d := range testDays {
		p.arrive(t, "first", dayNumber(d), p.all)
		p.daily(t, dayNumber(d))
	}
	p.checkGold(p.all)

	// Twice: nothing is new, whatever day is run again.
	before := p.text(`SELECT * FROM gold.fct_transactions ORDER BY transaction_id`)
	for _, d := range []int{0, 5, testDays - 1} {
		p.daily(t, dayNumber(d))
	}
	compare(t, "gold.fct_transactions, each day run twice", p.text(`SELECT * FROM gold.fct_transactions ORDER BY transaction_id`), before)

	// Every test holds, and the one that warns does.
	tests := p.call(dayNumber(testDays-1), "test")
	if !tests.Success || tests.Nodes["payments_whose_records_disagree"] != "warn" {
		t.Errorf("dbt test: %+v", tests)
	}

	// A replay of the whole topic, byte for byte: the payments are what they were.
	facts := `SELECT transaction_id, status, amount, currency, event_time, transaction_date, is_fraud FROM gold.fct_transactions ORDER BY transaction_id`
	before = p.text(facts)
	replayed := replay(p.all)
	for d := range testDays {
		p.arrive(t, "replay", dayNumber(d), replayed)
	}
	p.daily(t, dayNumber(testDays-1))
	compare(t, "gold after a replay", p.text(facts), before)
	p.checkGold(append(p.all, replayed...))

	// From scratch.
	before = p.text(`SELECT * FROM gold.fct_transactions ORDER BY transaction_id`)
	p.exec(`INSERT INTO gold.fct_transactions SELECT 'a ghost', status, amount, currency, customer_id, merchant_id, merchant_category, payment_method, country, is_fraud,
		fraud_score, initiated_at, event_time, transaction_date, processing_date, kafka_timestamp, kafka_partition, kafka_offset FROM gold.fct_transactions LIMIT 1;
		INSERT INTO gold.fct_daily_revenue VALUES ('1999-01-01', 'XXX', 1, 1, 0, 0, 0, 0, 0, 0)`)
	p.run(dayNumber(0), "--full-refresh")
	compare(t, "gold.fct_transactions, built from scratch", p.text(`SELECT * FROM gold.fct_transactions ORDER BY transaction_id`), before)
	p.checkGold(append(p.all, replayed...))
	if p.count(`SELECT count(*) FROM public.of_a_reader`) == 0 {
		t.Error("the view of a reader is empty")
	}
}

// replay is every record once more, at later offsets.
func replay(events []goldref.Event) []goldref.Event {
	out := append([]goldref.Event(nil), events...)
	for i := range out {
		out[i].Offset += 1_000_000
	}
	return out
}

func TestGoldWithDaysReversed(t *testing.T) {
	p := newPipeline(t, topic(2, payments, testDays))
	for d := testDays - 1; d >= 0; d-- {
		p.arrive(t, "first", dayNumber(d), p.all)
		load(t, p.w, dayNumber(d))
		if d%2 == 0 {
			p.run(dayNumber(d))
		}
	}
	p.checkGold(p.all)
}

func TestGoldWithDaysShuffledInAnotherTimeZone(t *testing.T) {
	p := newPipeline(t, topic(3, payments, testDays))
	p.exec(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = ''Asia/Kolkata''', current_database()); END $$`)
	p.pool.Reset()
	days := rand.New(rand.NewPCG(3, 3)).Perm(testDays) //nolint:gosec // a test's order
	for i, d := range days {
		p.arrive(t, "first", dayNumber(d), p.all)
		load(t, p.w, dayNumber(d))
		if i%2 == 1 {
			p.run(dayNumber(d))
		}
	}
	p.checkGold(p.all)
	if a := p.call(dayNumber(days[testDays-1]), "test"); !a.Success {
		t.Errorf("dbt test: %+v", a)
	}
}

func TestGoldAfterFiveDaysWithoutDBT(t *testing.T) {
	p := newPipeline(t, topic(4, payments, testDays))
	for d := range testDays {
		p.arrive(t, "first", dayNumber(d), p.all)
		load(t, p.w, dayNumber(d))
		if d < 2 || d > 6 {
			p.run(dayNumber(d))
		}
	}
	p.checkGold(p.all)
}

// Without the key of bronze every record is a row, and staging alone keeps Gold right; without the copies' layer in
// staging its choice of the winner does.
func TestGoldWithOneLayerAgainstDuplicatesLess(t *testing.T) {
	for name, prepare := range map[string]struct {
		keyless bool
		edit    func(*dbt)
	}{
		"conflict key dropped":       {true, func(*dbt) {}},
		"copies not dropped":         {false, dropCopiesLayer},
		"both, the order alone left": {true, dropCopiesLayer},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPipeline(t, topic(5, payments, testDays))
			prepare.edit(p.dbt)
			if prepare.keyless {
				p.exec(`ALTER TABLE bronze.transactions DROP CONSTRAINT transactions_event`)
			}
			for d := range testDays {
				if prepare.keyless {
					p.loadWithoutKey(t, rowsOf(t, p.all)[dayNumber(d)])
				} else {
					p.arrive(t, "first", dayNumber(d), p.all)
					load(t, p.w, dayNumber(d))
				}
				if d%5 == 4 {
					p.run(dayNumber(d))
				}
			}
			p.checkGold(p.all)
		})
	}
}

func dropCopiesLayer(d *dbt) {
	d.edit("models/staging/stg_transactions.sql", "select * from copies where copy = 1", "select * from copies")
}

// A model that fails leaves Gold as it was; the next run mends it. A reader sees the Gold of one run at every moment.
func TestAFailedModelLeavesGoldIntact(t *testing.T) {
	p := newPipeline(t, topic(6, payments, testDays))
	stop := make(chan struct{})
	torn := make(chan int64, 1)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		var most int64
		for {
			select {
			case <-stop:
				torn <- most
				return
			case <-tick.C:
				var n int64
				err := p.pool.QueryRow(background, `SELECT abs((SELECT count(*) FROM gold.fct_transactions) - (SELECT coalesce(sum(transactions), 0) FROM gold.fct_daily_revenue))`).Scan(&n)
				if err == nil {
					most = max(most, n)
				}
			}
		}
	}()

	p.arrive(t, "first", dayNumber(0), p.all)
	p.daily(t, dayNumber(0))
	good := p.text(`SELECT * FROM gold.fct_transactions ORDER BY transaction_id`)
	revenue := p.text(`SELECT * FROM gold.fct_daily_revenue ORDER BY transaction_date, currency`)

	for d := 1; d < testDays; d++ {
		p.arrive(t, "first", dayNumber(d), p.all)
	}
	load(t, p.w, dayNumber(testDays-1))
	p.exec(`ALTER TABLE gold_build.fct_daily_revenue ADD CONSTRAINT broken CHECK (transactions < 0) NOT VALID`)
	failed := p.call(dayNumber(testDays-1), "run")
	if failed.Success || failed.Nodes["fct_transactions"] != "success" || failed.Nodes["fct_daily_revenue"] != "error" || failed.Nodes["publish_gold"] != "skipped" {
		t.Fatalf("dbt run: %+v", failed)
	}
	compare(t, "gold.fct_transactions after a failed model", p.text(`SELECT * FROM gold.fct_transactions ORDER BY transaction_id`), good)
	compare(t, "gold.fct_daily_revenue after a failed model", p.text(`SELECT * FROM gold.fct_daily_revenue ORDER BY transaction_date, currency`), revenue)

	if a := p.call(dayNumber(testDays-1), "run", "--select", "publish_gold"); a.Success {
		t.Error("what the failed model has not summed was published")
	}
	if a := p.call(dayNumber(testDays-1), "run", "--full-refresh", "--select", "fct_transactions"); a.Success {
		t.Error("fct_transactions was built from scratch out of what was new")
	}
	p.exec(`ALTER TABLE gold_build.fct_daily_revenue DROP CONSTRAINT broken`)
	p.run(dayNumber(testDays-1), "--select", "fct_daily_revenue+") // as a retry of what failed
	p.checkGold(p.all)
	close(stop)
	if n := <-torn; n > 0 {
		t.Errorf("a reader saw payments and sums apart by %d", n)
	}
}

// TestGoldFollowsReplays loads and builds what a decoder with faults made of the records, and replays the days, some of them
// before others have come: Gold is in the end that of the records as they are.
func TestGoldFollowsReplays(t *testing.T) {
	const days = 5
	events := topic(7, payments, days)
	p := newPipeline(t, events)
	r := rand.New(rand.NewPCG(7, 7)) //nolint:gosec // a test's order
	right := rowsOf(t, events)
	all := slices.Concat(slices.Collect(maps.Values(right))...)
	inOrder := map[[2]int64]payment.Row{}
	for _, row := range all {
		inOrder[[2]int64{int64(row.KafkaPartition), row.KafkaOffset}] = row
	}
	faulty := func(day lake.Day) []payment.Row {
		var rows []payment.Row
		wrong := mistaken(r, all)
		for _, row := range right[day] {
			if r.IntN(4) == 0 {
				row, _ = wrong(row)
			}
			rows = append(rows, row)
		}
		return rows
	}
	asTheyAre := func(row payment.Row) (payment.Row, bool) {
		row, ok := inOrder[[2]int64{int64(row.KafkaPartition), row.KafkaOffset}]
		return row, ok
	}
	for i := range 8 { // what breaks the contract, and was let pass
		ghost := all[r.IntN(len(all))]
		ghost.TransactionID, ghost.KafkaOffset = fmt.Sprintf("00000000-0000-4000-8000-%012d", i), ghost.KafkaOffset+500_000
		day := lake.DayOf(utc(ghost.KafkaTimestamp))
		p.lake.put(fmt.Sprintf("%s-ghost-%d", day, i), day, []payment.Row{ghost})
	}
	for d := range days {
		rows := faulty(dayNumber(d))
		p.lake.put(string(dayNumber(d)), dayNumber(d), rows)
		if d%3 == 2 {
			p.lake.replay(dayNumber(d-2), mistaken(r, all)) // no better
			p.lake.replay(dayNumber(d-1), asTheyAre)
		}
		p.daily(t, dayNumber(d))
	}
	ghosts := `SELECT count(*) FROM gold.fct_transactions WHERE transaction_id LIKE '00000000-0000-4000-8000-%'`
	if p.count(ghosts) == 0 {
		t.Fatal("nothing is to be taken out of Gold")
	}
	// The faults that lost records are mended by what was sent of them: as dead letters that are rows now.
	lost := map[lake.Day][]payment.Row{}
	for day, rows := range right {
		files, err := p.lake.Files(background, dayNumber(days-1))
		if err != nil {
			t.Fatal(err)
		}
		there := map[[2]int64]bool{}
		for _, f := range files {
			for _, row := range p.lake.rows[f.Path] {
				there[[2]int64{int64(row.KafkaPartition), row.KafkaOffset}] = true
			}
		}
		for _, row := range rows {
			if !there[[2]int64{int64(row.KafkaPartition), row.KafkaOffset}] {
				lost[day] = append(lost[day], row)
			}
		}
	}
	for d := range days {
		p.lake.replay(dayNumber(d), asTheyAre)
		if rows := lost[dayNumber(d)]; len(rows) > 0 {
			p.lake.put(string(dayNumber(d))+"-found", dayNumber(d), rows)
		}
		if d == days/2 {
			p.daily(t, dayNumber(days-1))
		}
	}
	p.daily(t, dayNumber(days-1))
	p.checkGold(events)
	p.lake.checkBronze(t, p.database, dayNumber(days-1))
	if n := p.count(ghosts); n > 0 {
		t.Errorf("%d payments of nobody are in Gold", n)
	}
	if n := p.count(`SELECT count(*) FROM metadata.payment_changes`); n > 0 {
		t.Errorf("%d changes of payments are left", n)
	}
	if a := p.call(dayNumber(days-1), "test"); !a.Success {
		t.Errorf("dbt test: %+v", a)
	}
	before := p.text(`SELECT * FROM gold.fct_transactions ORDER BY transaction_id`)
	p.run(dayNumber(0), "--full-refresh")
	compare(t, "gold.fct_transactions, built from scratch", p.text(`SELECT * FROM gold.fct_transactions ORDER BY transaction_id`), before)
}
