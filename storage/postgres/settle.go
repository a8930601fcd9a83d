package postgres

import (
	"context"
	"fmt"
)

// A mark is what is noted of a transaction after it has written something, so that its outcome can be found out when its commit gets no answer.
type mark struct {
	xid    string
	lsn    string // a place in the log after something that it wrote and before its commit
	server string // the server's life: another one after each restart
}

const (
	serverLife  = `pg_postmaster_start_time()::text || ' ' || coalesce(pg_last_wal_replay_lsn()::text, '')`
	markColumns = `pg_current_xact_id()::text, pg_current_wal_insert_lsn()::text, ` + serverLife

	// outcome of a transaction. A server that has come back from a crash (or a replica that took over) knows transactions as far as the log
	// reached it, and gives the numbers of later ones out again: one whose mark the log did not reach never committed, whatever another of
	// its number did.
	outcome = `SELECT CASE
		WHEN $3 <> ` + serverLife + ` AND coalesce(pg_last_wal_replay_lsn() < $2::text::pg_lsn, false) THEN 'aborted'
		ELSE pg_xact_status($1::text::xid8) END`
)

func (m *mark) targets() []any { return []any{&m.xid, &m.lsn, &m.server} }

// settle finds out what became of a transaction whose commit got no answer: nil when it was committed, errRolledBack
// when it was not.
func (s *Store) settle(ctx context.Context, m mark, cause error) error {
	s.stats.unknown.Add(1)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleLimit)
	defer cancel()
	for {
		var status *string
		err := s.look.QueryRow(ctx, outcome, m.xid, m.lsn, m.server).Scan(&status)
		switch {
		case err == nil && status != nil && *status == "committed":
			return nil
		case err == nil && status != nil && *status == "aborted":
			return errRolledBack
		}
		if perr := s.pause(ctx, settlePause); perr != nil {
			return fmt.Errorf("%w (transaction %s, %w): %w", ErrUnknownCommit, m.xid, err, cause)
		}
	}
}
