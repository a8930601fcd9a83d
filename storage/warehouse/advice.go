package warehouse

import "fmt"

// advice says what to do about a state of the database that no retry mends by itself, by SQLSTATE.
var advice = map[string]string{
	"55P03": "another session has locked metadata.load_audit or a table beside it; " +
		"SELECT pid, usename, query FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks WHERE relation = 'metadata.load_audit'::regclass AND granted) " +
		"names it; end it and run the task again: it goes on behind its last mark",
	"42P01": "restore the table from a backup, or, where the database is new, run `tidemill migrate up`; " +
		"then run the task again: it goes on behind its last mark",
	"3F000": "restore the schema from a backup, or, where the database is new, run `tidemill migrate up`; then run the task again",
	"25006": "the database takes no writes: TIDEMILL_WAREHOUSE_URL names a standby, or default_transaction_read_only is on for the server, " +
		"the database or the role; change that and run the task again",
	"42501": "the role of TIDEMILL_WAREHOUSE_URL lacks a right: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA metadata, bronze TO it, " +
		"and run the task again",
	"53100": "the disk of the database is full: make room and run the task again: it goes on behind its last mark",
}

// advised is err with what to do about it, where the database's state says.
func advised(err error) error {
	if what, ok := advice[sqlState(err)]; ok {
		return fmt.Errorf("%w: %s", err, what)
	}
	return err
}
