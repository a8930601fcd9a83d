package warehouse_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/warehouse"
)

// line is a row as recordLines has it.
func line(r *payment.Row) string {
	amount := new(big.Rat).SetFrac64(r.Amount, 100).FloatString(2)
	return fmt.Sprintf("%s %s %s %s %s %d %d", r.TransactionID, r.Status, utc(r.EventTime).Format("2006-01-02 15:04:05.000000"), amount, r.CustomerID,
		r.KafkaPartition, r.KafkaOffset)
}

func recordLines(table string) string {
	return `SELECT concat_ws(' ', transaction_id, status, to_char(event_time AT TIME ZONE 'UTC', '` + micros + `'), amount, customer_id, kafka_partition, kafka_offset)
		FROM ` + table
}

// checkBronze compares bronze, and what stands behind its rows, with what the lake's files up to a day say.
func (m *memory) checkBronze(t *testing.T, db database, upTo lake.Day) {
	t.Helper()
	files, err := m.Files(background, upTo)
	if err != nil {
		t.Fatal(err)
	}
	events := map[string][]payment.Row{}
	var rejected []string
	for _, f := range files {
		for _, r := range m.rows[f.Path] {
			if r.Amount >= 1e18 || r.Amount <= -1e18 {
				rejected = append(rejected, fmt.Sprint(r.KafkaPartition, " ", r.KafkaOffset))
				continue
			}
			key := fmt.Sprint(r.TransactionID, r.Status, r.EventTime)
			events[key] = append(events[key], r)
		}
	}
	bronze, behind := []string{}, []string{}
	for _, records := range events {
		slices.SortFunc(records, func(a, b payment.Row) int {
			return cmp.Or(cmp.Compare(a.KafkaTimestamp, b.KafkaTimestamp), cmp.Compare(a.KafkaPartition, b.KafkaPartition), cmp.Compare(a.KafkaOffset, b.KafkaOffset))
		})
		last := len(records) - 1
		bronze = append(bronze, line(&records[last]))
		for i := range records[:last] {
			behind = append(behind, line(&records[i]))
		}
	}
	for what, sides := range map[string][2][]string{
		"bronze.transactions": {db.strings(recordLines("bronze.transactions")), bronze},
		"bronze.superseded":   {db.strings(recordLines("bronze.superseded")), behind},
		"bronze.rejected":     {db.strings(`SELECT concat_ws(' ', kafka_partition, kafka_offset) FROM bronze.rejected`), rejected},
	} {
		compare(t, what, sorted(append(sides[0], "")), sorted(append(sides[1], "")))
	}
	for _, problem := range db.text(`
		SELECT f.path, 'rows of a file that was replaced' FROM metadata.lake_files AS f JOIN metadata.loads AS l ON l.file_id = f.id JOIN bronze.transactions AS t ON t.load_id = l.id
		WHERE retired_at IS NOT NULL
		UNION ALL SELECT path, 'not loaded to the end' FROM metadata.lake_files WHERE retired_at IS NULL AND rows_done <> rows
		UNION ALL SELECT a.id::text, 'an account that is not true' FROM metadata.load_audit AS a LEFT JOIN LATERAL (
			SELECT coalesce(sum(rows_loaded), 0) AS l, coalesce(sum(rows_replaced), 0) AS r, coalesce(sum(rows_removed), 0) AS m FROM metadata.loads WHERE audit_id = a.id) AS truth ON true
		WHERE (rows_loaded, rows_replaced, rows_removed) <> (l, r, m) OR status = 'RUNNING'`) {
		t.Error(problem)
	}
}

// mistaken is a decoder with faults: it loses rows, finds some that were lost, and reads others as something else.
func mistaken(r *rand.Rand, all []payment.Row) func(payment.Row) (payment.Row, bool) {
	return func(row payment.Row) (payment.Row, bool) {
		other := all[r.IntN(len(all))]
		switch r.IntN(12) {
		case 0:
			return row, false
		case 1:
			row.Amount *= 100
		case 2:
			row.Status = other.Status
		case 3:
			row.EventTime = other.EventTime
		case 4:
			row.TransactionID, row.Status, row.EventTime = other.TransactionID, other.Status, other.EventTime
		case 5:
			row.CustomerID = "erased"
		}
		return row, true
	}
}

// TestGenerations replays days again and again, with decoders that make other rows of the same records, between loads of more
// days, two at once now and then: bronze is always that of the files which the lake lists.
func TestGenerations(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // a test's order
			const days = 5
			rows := rowsOf(t, topic(seed+50, 120, days))
			all := slices.Concat(slices.Collect(maps.Values(rows))...)
			if seed%3 == 2 { // far fewer events than records: much stands behind each
				for _, of := range rows {
					for i := range of {
						other := all[r.IntN(20)]
						of[i].TransactionID, of[i].Status, of[i].EventTime = other.TransactionID, other.Status, other.EventTime
					}
				}
			}
			db, m := newDatabase(t), &memory{}
			run := 0
			for range 14 {
				for range 1 + r.IntN(3) {
					day := dayNumber(r.IntN(days))
					if at := r.IntN(3); at == 0 || len(rows[day]) == 0 {
						m.replay(day, mistaken(r, all))
					} else {
						n := min(len(rows[day]), 1+r.IntN(60))
						m.put(fmt.Sprintf("%s-%d", day, len(rows[day])), day, rows[day][:n])
						rows[day] = rows[day][n:]
					}
				}
				upTo := dayNumber(days - 1 - r.IntN(2)*r.IntN(days))
				var g errgroup.Group
				for range 1 + r.IntN(2) {
					run++
					req := request(upTo, 1)
					req.RunID = fmt.Sprint("run ", run)
					w := db.warehouse(m, warehouse.WithBatch(1+r.IntN(40)), warehouse.WithConnections(1+r.IntN(2)))
					g.Go(func() error {
						_, err := w.Load(background, req)
						return err
					})
				}
				if err := g.Wait(); err != nil {
					t.Fatal(err)
				}
				if upTo == dayNumber(days-1) {
					m.checkBronze(t, db, upTo)
				}
			}
			load(t, db.warehouse(m), dayNumber(days-1))
			m.checkBronze(t, db, dayNumber(days-1))
		})
	}
}

// TestAReplayDuringALoad replays a day, and has another load repair it, after a load has looked at the lake and before it brings
// rows of a file that is no longer there.
func TestAReplayDuringALoad(t *testing.T) {
	for _, at := range []int{0, chunk} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			rows := rowsOf(t, topic(60, 900, 2))
			day := dayNumber(0)
			if len(rows[day]) < 2*chunk {
				t.Fatalf("%d rows are too few", len(rows[day]))
			}
			db, m := newDatabase(t), &memory{}
			m.put("one", day, rows[day])
			m.put("two", dayNumber(1), rows[dayNumber(1)])
			r := rand.New(rand.NewPCG(60, 7)) //nolint:gosec // a test's data
			m.before = func(path string, row int) error {
				if path == "one" && row == at {
					m.before = nil
					m.replay(day, mistaken(r, rows[day]))
					req := request(dayNumber(1), 1)
					req.RunID = "another"
					got, err := db.warehouse(m, warehouse.WithBatch(10)).Load(background, req)
					if err == nil && got.Attempt.Read == 0 {
						err = fmt.Errorf("the other load found nothing to do")
					}
					return err
				}
				return nil
			}
			if got := load(t, db.warehouse(m, warehouse.WithBatch(10)), dayNumber(1)); got.Day.LakeRows == 0 {
				t.Errorf("%+v", got)
			}
			m.checkBronze(t, db, dayNumber(1))
		})
	}
}

// TestALakeThatWasRestored is an older copy of the lake than the one that was loaded: nothing is taken out for it.
func TestALakeThatWasRestored(t *testing.T) {
	rows := rowsOf(t, topic(61, 60, 1))
	day := dayNumber(0)
	db, m, older := newDatabase(t), &memory{}, &memory{}
	for _, lakes := range []*memory{m, older} {
		lakes.put("one", day, rows[day][:40])
		lakes.put("two", day, rows[day][40:])
	}
	load(t, db.warehouse(m), day)
	m.replay(day, mistaken(rand.New(rand.NewPCG(61, 7)), rows[day])) //nolint:gosec // a test's data
	load(t, db.warehouse(m), day)
	m.checkBronze(t, db, day)
	for name, other := range map[string]*memory{"older": older, "empty": {}} {
		_, err := db.warehouse(other).Load(background, request(day, 2))
		if refused := err != nil && strings.Contains(err.Error(), "restored from an older copy"); refused != (name == "older") {
			t.Errorf("%s: %v", name, err)
		}
	}
	load(t, db.warehouse(m), day)
	m.checkBronze(t, db, day)
}

// TestFilesOfBeforeTheSupersededWereKept are read once more when the first day is repaired.
func TestFilesOfBeforeTheSupersededWereKept(t *testing.T) {
	rows := rowsOf(t, topic(62, 150, 3))
	all := slices.Concat(slices.Collect(maps.Values(rows))...)
	db, m := newDatabase(t), &memory{}
	for d := range 3 {
		of := rows[dayNumber(d)]
		for i := range of {
			other := all[i%20]
			of[i].TransactionID, of[i].Status, of[i].EventTime = other.TransactionID, other.Status, other.EventTime
			if i%17 == 0 {
				of[i].Amount = 1e18 // is refused
			}
		}
		m.put(string(dayNumber(d)), dayNumber(d), of)
	}
	w := db.warehouse(m, warehouse.WithBatch(20))
	load(t, w, dayNumber(2))
	m.checkBronze(t, db, dayNumber(2))
	db.exec(`DELETE FROM bronze.superseded; UPDATE metadata.lake_files SET keeps_superseded = false`)
	m.replay(dayNumber(1), mistaken(rand.New(rand.NewPCG(62, 7)), all)) //nolint:gosec // a test's data
	load(t, w, dayNumber(1))
	m.checkBronze(t, db, dayNumber(2))
	if n := db.count(`SELECT count(*) FROM metadata.lake_files WHERE NOT keeps_superseded AND retired_at IS NULL`); n > 0 {
		t.Errorf("%d files are without their superseded records", n)
	}
}
