package warehouse_test

import "testing"

// The cost of a run is that of what is new: with ten times the history, a run reads the same rows.
func TestARunReadsWhatIsNew(t *testing.T) {
	p := newPipeline(t, nil)
	var read [2]int64
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
		read[i] = p.count(`SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables`)
	}
	if read[0] < 500 || read[1] > read[0]*3/2 {
		t.Errorf("the same new rows cost %d rows read, and %d after ten times the history", read[0], read[1])
	}
}
