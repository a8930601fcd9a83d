package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/storage/payment/goldref"
)

// The columns that the contract names, with their types, in the order in which they are compared.
var (
	transactionColumns = [][2]string{
		{"transaction_id", "text"}, {"status", "text"}, {"amount", "numeric(18,2)"}, {"currency", "text"}, {"customer_id", "text"},
		{"merchant_id", "text"}, {"merchant_category", "text"}, {"payment_method", "text"}, {"country", "text"}, {"is_fraud", "boolean"},
		{"fraud_score", "double precision"}, {"initiated_at", "timestamp with time zone"}, {"event_time", "timestamp with time zone"},
		{"transaction_date", "date"}, {"processing_date", "date"}, {"kafka_timestamp", "timestamp with time zone"},
		{"kafka_partition", "integer"}, {"kafka_offset", "bigint"},
	}
	revenueColumns = [][2]string{
		{"transaction_date", "date"}, {"currency", "text"}, {"transactions", "bigint"}, {"pending", "bigint"}, {"succeeded", "bigint"},
		{"failed", "bigint"}, {"refunded", "bigint"}, {"gross_amount", "numeric(38,2)"}, {"refunded_amount", "numeric(38,2)"}, {"fraud_count", "bigint"},
	}
)

// query returns a query's rows, each as one text: values in quotes, nulls without.
func (o outcome) query(sql string, args ...any) []string {
	t := o.t
	t.Helper()
	conn, err := pgx.Connect(t.Context(), o.database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // only read
	lines, err := queryLines(t, conn, sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return lines
}

// queryLines asks in the text format, so that each value is what PostgreSQL writes.
func queryLines(t *testing.T, conn *pgx.Conn, sql string, args ...any) ([]string, error) {
	rows, err := conn.Query(t.Context(), sql, append([]any{pgx.QueryResultFormats{pgx.TextFormatCode}}, args...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		values := make([]string, len(rows.RawValues()))
		for i, raw := range rows.RawValues() {
			values[i] = "null"
			if raw != nil {
				values[i] = strconv.Quote(string(raw))
			}
		}
		lines = append(lines, strings.Join(values, " "))
	}
	return lines, rows.Err()
}

// exec changes the database.
func (o outcome) exec(sql string, args ...any) {
	t := o.t
	t.Helper()
	conn, err := pgx.Connect(t.Context(), o.database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // done
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// number is a query's one number.
func (o outcome) number(sql string, args ...any) int64 {
	o.t.Helper()
	lines := o.query(sql, args...)
	if len(lines) != 1 {
		o.t.Fatalf("%s: %d rows", sql, len(lines))
	}
	n, err := strconv.ParseInt(strings.Trim(lines[0], `"`), 10, 64)
	if err != nil {
		o.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// gold is both tables of Gold, whole and in order.
func (o outcome) gold() []string {
	o.t.Helper()
	return append(o.query(`SELECT * FROM gold.fct_transactions ORDER BY transaction_id COLLATE "C"`),
		o.query(`SELECT * FROM gold.fct_daily_revenue ORDER BY transaction_date, currency COLLATE "C"`)...)
}

// checkGold compares both tables of Gold, whole, with what the contract makes of the events.
func (o outcome) checkGold(list []goldref.Event) goldref.Topic {
	o.t.Helper()
	want := goldref.Of(list, time.Now())
	for table, columns := range map[string][][2]string{"fct_transactions": transactionColumns, "fct_daily_revenue": revenueColumns} {
		for _, c := range columns {
			got := o.query(`SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = ('gold.' || $1)::regclass AND attname = $2`, table, c[0])
			if len(got) != 1 || got[0] != strconv.Quote(c[1]) {
				o.t.Errorf("gold.%s.%s is of type %s, want %s", table, c[0], got, c[1])
			}
		}
	}
	var transactions, revenue []string
	for _, a := range want.Transactions {
		transactions = append(transactions, row(a.TransactionID, a.Status, goldref.Money(a.Amount), a.Currency, a.CustomerID, a.MerchantID, a.Category,
			a.Method, a.Country, a.IsFraud, a.FraudScore, micros(int64(a.InitiatedAt)), micros(int64(a.EventTime)), a.TransactionDate(), a.Day(),
			micros(a.Time.UnixMicro()), a.Partition, a.Offset))
	}
	for _, r := range want.Daily {
		revenue = append(revenue, row(r.Date, r.Currency, r.Transactions, r.Pending, r.Succeeded, r.Failed, r.Refunded, r.Gross, r.RefundedAmount, r.Fraud))
	}
	compare(o.t, "gold.fct_transactions", o.query(selected(transactionColumns)+` FROM gold.fct_transactions ORDER BY transaction_id COLLATE "C"`), transactions)
	compare(o.t, "gold.fct_daily_revenue", o.query(selected(revenueColumns)+` FROM gold.fct_daily_revenue ORDER BY transaction_date, currency COLLATE "C"`), revenue)
	return want
}

// selected is the SELECT of columns, with moments in UTC to the microsecond.
func selected(columns [][2]string) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c[0]
		if c[1] == "timestamp with time zone" {
			names[i] = `to_char(` + c[0] + ` AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')`
		}
	}
	return `SELECT ` + strings.Join(names, ", ")
}

func micros(n int64) string { return time.UnixMicro(n).UTC().Format("2006-01-02 15:04:05.000000") }

// row is a row as queryLines writes it.
func row(values ...any) string {
	texts := make([]string, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case *string:
			texts[i] = "null"
			if v != nil {
				texts[i] = strconv.Quote(*v)
			}
		case *float64:
			texts[i] = "null"
			if v != nil {
				texts[i] = strconv.Quote(postgresFloat(*v))
			}
		case bool:
			texts[i] = `"f"`
			if v {
				texts[i] = `"t"`
			}
		default:
			texts[i] = strconv.Quote(fmt.Sprint(v))
		}
	}
	return strings.Join(texts, " ")
}

// postgresFloat is a double as PostgreSQL writes it: the shortest text that reads back as the same, with an exponent of at least two
// digits from 1e-5 down.
func postgresFloat(f float64) string {
	if f == 0 {
		return "0" // also for -0, which is equal to it
	}
	if f >= 1e-4 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return strconv.FormatFloat(f, 'e', -1, 64)
}

// compare compares two lists of rows.
func compare(t *testing.T, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	count := map[string]int{}
	for _, w := range want {
		count[w]++
	}
	for _, g := range got {
		count[g]--
	}
	var extra, missing []string
	for _, line := range slices.Sorted(maps.Keys(count)) {
		switch n := count[line]; {
		case n < 0:
			extra = append(extra, line)
		case n > 0:
			missing = append(missing, line)
		}
	}
	show := func(lines []string) string {
		short := slices.Clone(lines[:min(5, len(lines))])
		for i := range short {
			short[i] = short[i][:min(400, len(short[i]))]
		}
		return strings.Join(short, "\n  ")
	}
	t.Errorf("%s: %d rows, want %d; %d that should not be there, as\n  %s\n%d missing, as\n  %s", what, len(got), len(want), len(extra), show(extra), len(missing), show(missing))
}

func sorted(lines []string) []string { return slices.Sorted(slices.Values(lines)) }
