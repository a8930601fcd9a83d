package warehouse_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemill/tidemill/storage/warehouse"
)

// loader makes a role that may load and owns nothing but bronze, and returns its name.
func (d database) loader() string {
	d.t.Helper()
	role := "loader_" + d.pool.Config().ConnConfig.Database
	d.exec(fmt.Sprintf(`CREATE ROLE %[1]q; GRANT USAGE, CREATE ON SCHEMA bronze TO %[1]q; GRANT USAGE ON SCHEMA metadata TO %[1]q;
		GRANT ALL ON ALL TABLES IN SCHEMA bronze, metadata TO %[1]q; GRANT ALL ON ALL SEQUENCES IN SCHEMA bronze, metadata TO %[1]q;
		ALTER TABLE bronze.transactions OWNER TO %[1]q`, role))
	d.t.Cleanup(func() { d.exec(fmt.Sprintf(`DROP OWNED BY %[1]q CASCADE; DROP ROLE %[1]q`, role)) })
	return role
}

// as is a pool of sessions that have the rights of a role.
func (d database) as(role string) *pgxpool.Pool {
	d.t.Helper()
	at, err := url.Parse(d.url)
	if err != nil {
		d.t.Fatal(err)
	}
	query := at.Query()
	query.Set("role", role)
	at.RawQuery = query.Encode()
	return newPool(d.t, at.String())
}

// TestALoadWhoseAccountIsOutOfReach takes metadata.load_audit away before a load and in the middle of one. Each time the
// load fails and says what to do, one critical line has the facts, and once the table is back the next try has every row.
func TestALoadWhoseAccountIsOutOfReach(t *testing.T) {
	type site struct {
		database
		role   string
		locker *pgx.Conn
	}
	revoke := func(s *site) { s.exec(fmt.Sprintf(`REVOKE INSERT, UPDATE ON metadata.load_audit FROM %q`, s.role)) }
	grant := func(s *site) { s.exec(fmt.Sprintf(`GRANT INSERT, UPDATE ON metadata.load_audit TO %q`, s.role)) }
	lock := func(s *site) {
		if _, err := s.locker.Exec(background, `BEGIN; LOCK TABLE metadata.load_audit`); err != nil {
			s.t.Error(err)
		}
	}
	unlock := func(s *site) {
		if _, err := s.locker.Exec(background, `ROLLBACK`); err != nil {
			s.t.Error(err)
		}
	}
	drop := func(s *site) {
		s.exec(`CREATE TABLE public.backup AS TABLE metadata.load_audit; CREATE TABLE public.load_audit (LIKE metadata.load_audit INCLUDING ALL);
			DROP TABLE metadata.load_audit CASCADE`)
	}
	restore := func(s *site) {
		s.exec(fmt.Sprintf(`ALTER TABLE public.load_audit SET SCHEMA metadata; GRANT ALL ON metadata.load_audit TO %q;
			INSERT INTO metadata.load_audit OVERRIDING SYSTEM VALUE TABLE public.backup;
			SELECT setval(pg_get_serial_sequence('metadata.load_audit', 'id'), 100); ALTER TABLE metadata.loads
			ADD FOREIGN KEY (audit_id) REFERENCES metadata.load_audit`, s.role))
	}
	readOnly := func(value string) func(*site) {
		return func(s *site) {
			s.exec(fmt.Sprintf(`ALTER DATABASE %q SET default_transaction_read_only = %s`, s.pool.Config().ConnConfig.Database, value))
		}
	}
	// What the accounts of both tries say at the end: an account that could not be begun is in the log alone.
	const begun, lost = `[2, "SUCCESS", null]`, `[1, "FAILED", "process lost"]`
	for name, c := range map[string]struct {
		away, back func(*site)
		middle     bool
		say        string   // in the error: what to do
		accounts   []string // at the end
	}{
		"locked":                    {lock, unlock, false, "pg_locks", []string{begun}},
		"locked in the middle":      {lock, unlock, true, "pg_locks", []string{lost, begun}},
		"dropped":                   {drop, restore, false, "restore the table", []string{begun}},
		"dropped in the middle":     {drop, restore, true, "restore the table", []string{lost, begun}},
		"read-only":                 {readOnly("on"), readOnly("off"), false, "default_transaction_read_only", []string{begun}},
		"without rights":            {revoke, grant, false, "GRANT", []string{begun}},
		"rights lost in the middle": {revoke, grant, true, "GRANT", []string{lost, begun}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &site{database: newDatabase(t)}
			s.role = s.loader()
			var err error
			if s.locker, err = pgx.Connect(background, s.url); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.locker.Close(background) }()
			m, done := lakeOf(t, crashTopic()), false
			if c.middle {
				m.before = func(_ string, row int) error {
					if row >= crashAt && !done {
						done = true
						c.away(s)
					}
					return nil
				}
			} else {
				c.away(s)
			}
			log, option := criticalLog()
			w := func() *warehouse.Warehouse { // sessions of its own, as a process has
				return warehouse.New(s.as(s.role), m, option, warehouse.WithLockLimit(50*time.Millisecond))
			}
			_, err = w().Load(background, request(dayNumber(0), 1))
			if err == nil || !strings.Contains(err.Error(), c.say) {
				t.Errorf("the load: %v, want %q in it", err, c.say)
			}
			lines := logged(t, log)
			if len(lines) != 1 || lines[0]["level"] != "CRITICAL" || lines[0]["status"] != "FAILED" || lines[0]["try_number"] != 1.0 ||
				!strings.Contains(fmt.Sprint(lines[0]["audit_error"]), c.say) || !strings.Contains(fmt.Sprint(lines[0]["error_message"]), c.say) {
				t.Errorf("the log: %s", log)
			}
			c.back(s)

			there := s.count(`SELECT coalesce(sum(rows_done), 0)::bigint FROM metadata.lake_files`)
			if c.middle != (there > 0) {
				t.Errorf("%d rows were there before the next try", there)
			}
			if told := lines[0]["rows_read"]; told != float64(there) {
				t.Errorf("the line tells of %v rows, there are %d", told, there)
			}
			result, err := w().Load(background, request(dayNumber(0), 2))
			if err != nil {
				t.Fatal(err)
			}
			want := bronzeModel(crashTopic())
			if a := result.Attempt; a.Skipped != there || a.Read != int64(len(want.Accepted)) {
				t.Errorf("the next try: %+v, want %d skipped of %d", a, there, len(want.Accepted))
			}
			if n := s.count(`SELECT count(*) FROM bronze.transactions`); n != int64(len(want.Bronze)) {
				t.Errorf("bronze has %d rows, want %d", n, len(want.Bronze))
			}
			compare(t, "load_audit", s.text(`SELECT try_number, status, error_message FROM metadata.load_audit ORDER BY id`), c.accounts)
			if len(logged(t, log)) != 1 {
				t.Errorf("the next try logs: %s", log)
			}
		})
	}
}
