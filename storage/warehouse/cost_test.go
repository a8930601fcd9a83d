package warehouse_test

import (
	"testing"

	"github.com/tidemill/tidemill/storage/warehouse"
)

// The cost of a run is that of what is new: with ten times the history, a run reads the same rows, and so does its audit.
func TestARunReadsWhatIsNew(t *testing.T) {
	p := newPipeline(t, nil)
	var read, audited [2]int64
	for i, history := range []int{1_000, 10_000} {
		old, now := dayNumber(40*i), dayNumber(40*i+20)
		p.lake.put("history "+itoa(i), old, manyRows(old, history))
		p.daily(t, old)
		p.lake.put("new "+itoa(i), now, manyRows(now, 500))
		load(t, p.w, now)
		p.exec(`VACUUM ANALYZE`)
		p.exec(`SELECT pg_stat_reset()`)
		p.run(now)
		waitFor(t, "dbt's statistics", func() bool { // a session's are there when it has ended
			return p.count(`SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidemill dbt' AND datname = current_database()`) == 0
		})
		read[i] = p.count(rowsRead)
		p.exec(`VACUUM ANALYZE`)
		p.exec(`SELECT pg_stat_reset()`)
		if a, err := p.w.AuditDay(background, warehouse.AuditRequest{Day: now}); err != nil || !a.Clean() || a.Gold.Records == 0 {
			t.Fatalf("the audit: %s, %v", asJSON(t, a), err)
		}
		waitFor(t, "the audit's statistics", func() bool {
			return p.count(`SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidemill audit' AND datname = current_database()`) == 0
		})
		audited[i] = p.count(rowsRead)
	}
	if read[0] < 500 || read[1] > read[0]*3/2 {
		t.Errorf("the same new rows cost %d rows read, and %d after ten times the history", read[0], read[1])
	}
	if audited[0] < 500 || audited[1] > audited[0]*3/2 {
		t.Errorf("the audit of the same day reads %d rows, and %d after ten times the history", audited[0], audited[1])
	}
}

// rowsRead is how many rows of tables that last were read.
const rowsRead = `SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables WHERE schemaname NOT LIKE 'pg_temp%'`
