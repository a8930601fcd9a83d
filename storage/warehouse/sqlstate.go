package warehouse

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// sqlState is the SQLSTATE of an error of the database, "" of any other.
func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// isConflict says whether the database gave up a transaction that may be run again as it was: a deadlock or a
// serialization failure.
func isConflict(err error) bool {
	code := sqlState(err)
	return code == "40P01" || code == "40001"
}

// isRefusal says whether the database refused a row for what is in it: a data exception, a null or a value that a
// constraint forbids, a row that is too large. Not for how it was sent: that is our fault, and no row's.
func isRefusal(err error) bool {
	switch code := sqlState(err); code {
	case "22P03", "22P04": // bad binary representation, bad COPY format
		return false
	case "23502", "23514", "54000":
		return true
	default:
		return strings.HasPrefix(code, "22")
	}
}

// isDuplicate says whether the database refused a row because a unique index has its key already.
func isDuplicate(err error) bool { return sqlState(err) == "23505" }
