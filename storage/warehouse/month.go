package warehouse

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/storage/payment"
)

// The years that have a table per month; what lies before or after them has one table each, made by the migrations.
const (
	firstYear = 2000
	lastYear  = 2099
)

// month is the number of a month since year 0, or noMonth.
type month int

const noMonth month = -1

// monthOf is the month, in UTC, whose table holds an event_time in microseconds since 1970; noMonth when that table is
// there anyway.
func monthOf(eventTime int64) month {
	t := time.UnixMicro(eventTime).UTC()
	if t.Year() < firstYear || t.Year() > lastYear {
		return noMonth
	}
	return month(t.Year()*12 + int(t.Month()) - 1)
}

// table is the name of the month's table in the schema bronze.
func (m month) table() string { return fmt.Sprintf("transactions_%04d_%02d", m/12, m%12+1) }

// start is the first instant of the month.
func (m month) start() time.Time {
	return time.Date(int(m/12), time.Month(m%12+1), 1, 0, 0, 0, 0, time.UTC)
}

// months makes the tables of bronze as rows come. It belongs to one connection.
type months struct {
	known map[month]bool
}

// ensure makes the tables that rows need and that are not there, outside any transaction of the caller's.
func (s *months) ensure(ctx context.Context, conn *pgx.Conn, rows []payment.Row) error {
	if s.known == nil {
		s.known = map[month]bool{noMonth: true}
	}
	for i := range rows {
		m := monthOf(rows[i].EventTime)
		if s.known[m] {
			continue
		}
		if err := makeMonth(ctx, conn, m); err != nil {
			return fmt.Errorf("make table bronze.%s: %w", m.table(), err)
		}
		s.known[m] = true
	}
	return nil
}

// table is the table to copy rows into: their month's if they are all of one, which spares PostgreSQL finding it for each;
// else bronze.transactions.
func (s *months) table(rows []payment.Row) string {
	const whole = "bronze.transactions"
	of := noMonth
	for i := range rows {
		switch m := monthOf(rows[i].EventTime); {
		case m == noMonth || i > 0 && m != of:
			return whole
		default:
			of = m
		}
	}
	return "bronze." + of.table()
}

// makeMonth makes the month's table unless it is there. CREATE TABLE … PARTITION OF would wait for every reader of
// bronze, and let every later one wait for itself; attaching a finished table does not.
func makeMonth(ctx context.Context, conn *pgx.Conn, m month) error {
	var there bool
	exists := func(q interface {
		QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	}) error {
		return q.QueryRow(ctx, `SELECT EXISTS (
			SELECT FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
			WHERE inhparent = 'bronze.transactions'::regclass AND relname = $1)`, m.table()).Scan(&there)
	}
	if err := exists(conn); err != nil || there {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('bronze.transactions', 0))`); err != nil {
			return err
		}
		if err := exists(tx); err != nil || there {
			return err
		}
		table := pgx.Identifier{"bronze", m.table()}.Sanitize()
		from, to := m.start().Format(time.RFC3339), (m + 1).start().Format(time.RFC3339)
		_, err := tx.Exec(ctx, fmt.Sprintf(`
			CREATE TABLE %[1]s (LIKE bronze.transactions INCLUDING ALL);
			ALTER TABLE bronze.transactions ATTACH PARTITION %[1]s FOR VALUES FROM ('%[2]s') TO ('%[3]s')`, table, from, to))
		return err
	})
}
