package warehouse_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/migrations"
	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment/goldref"
	"github.com/tidemill/tidemill/storage/warehouse"
)

func utc(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

func itoa(n int) string { return strconv.Itoa(n) }

// database is a migrated database of the test's own.
type database struct {
	t    testing.TB
	url  string
	pool *pgxpool.Pool
}

func newDatabase(t testing.TB) database {
	t.Helper()
	url := testkit.Migrated(t, migrations.Warehouse)
	return database{t, url, newPool(t, url)}
}

func newPool(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(background, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func (d database) exec(sql string, args ...any) {
	d.t.Helper()
	if _, err := d.pool.Exec(background, sql, args...); err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
}

// text is the result of a query, a line a row.
func (d database) text(sql string, args ...any) []string {
	d.t.Helper()
	rows, err := d.pool.Query(background, `SELECT (SELECT json_agg(value) FROM json_each(row_to_json(q)))::text FROM (`+sql+`) AS q`, args...)
	if err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
	return lines
}

func (d database) count(sql string, args ...any) int64 {
	d.t.Helper()
	var n int64
	if err := d.pool.QueryRow(background, sql, args...).Scan(&n); err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func (d database) warehouse(source warehouse.Source, options ...warehouse.Option) *warehouse.Warehouse {
	return warehouse.New(d.pool, source, append([]warehouse.Option{warehouse.WithLogger(slog.New(slog.DiscardHandler))}, options...)...)
}

func request(day lake.Day, try int) warehouse.Request {
	return warehouse.Request{DAGID: "daily_transactions", RunID: "run of " + string(day), TaskID: "load_to_postgres", Try: try, LogicalDate: day.Start(), Day: day}
}

func load(t testing.TB, w *warehouse.Warehouse, day lake.Day) warehouse.LoadResult {
	t.Helper()
	result, err := w.Load(background, request(day, 1))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

const micros = "YYYY-MM-DD HH24:MI:SS.US"

// checkGold compares both tables of gold, whole, with the model of the contract.
func (d database) checkGold(events []goldref.Event) {
	d.t.Helper()
	want := goldref.Of(events, time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	stamp := func(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05.000000") }
	var wantFct, wantDaily []string
	for _, a := range want.Transactions {
		wantFct = append(wantFct, fmt.Sprint(a.TransactionID, a.Status, goldref.Money(a.Amount), a.Currency, a.CustomerID, a.MerchantID,
			orNull(a.Category), a.Method, orNull(a.Country), a.IsFraud, score(a.FraudScore), stamp(time.UnixMicro(int64(a.InitiatedAt))),
			stamp(time.UnixMicro(int64(a.EventTime))), a.TransactionDate(), a.Day(), stamp(a.Time), a.Partition, " ", a.Offset))
	}
	for _, r := range want.Daily {
		wantDaily = append(wantDaily, fmt.Sprint(r.Date, r.Currency, r.Transactions, r.Pending, r.Succeeded, r.Failed, r.Refunded, " ", r.Gross, " ", r.RefundedAmount, " ", r.Fraud))
	}
	gotFct := d.strings(`SELECT concat(transaction_id, status, amount::text, currency, customer_id, merchant_id, coalesce(merchant_category, 'null'),
		payment_method, coalesce(country, 'null'), is_fraud::text, coalesce(fraud_score::text, 'null'),
		to_char(initiated_at AT TIME ZONE 'UTC', '` + micros + `'), to_char(event_time AT TIME ZONE 'UTC', '` + micros + `'),
		transaction_date, processing_date, to_char(kafka_timestamp AT TIME ZONE 'UTC', '` + micros + `'), kafka_partition, ' ', kafka_offset)
		FROM gold.fct_transactions ORDER BY transaction_id COLLATE "C"`)
	gotDaily := d.strings(`SELECT concat(transaction_date, currency, transactions, ' ', pending, ' ', succeeded, ' ', failed, ' ', refunded, ' ', gross_amount, ' ', refunded_amount, ' ', fraud_count)
		FROM gold.fct_daily_revenue ORDER BY transaction_date, currency COLLATE "C"`)
	compare(d.t, "gold.fct_transactions", gotFct, wantFct)
	compare(d.t, "gold.fct_daily_revenue", gotDaily, wantDaily)
}

func (d database) strings(sql string) []string {
	d.t.Helper()
	rows, err := d.pool.Query(background, sql)
	if err != nil {
		d.t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		d.t.Fatal(err)
	}
	return lines
}

func orNull(s *string) string {
	if s == nil {
		return "null"
	}
	return *s
}

func score(f *float64) string {
	if f == nil {
		return "null"
	}
	return strconv.FormatFloat(*f, 'g', -1, 64)
}

func compare(t testing.TB, what string, got, want []string) {
	t.Helper()
	if len(want) == 0 {
		t.Fatalf("%s: nothing is expected", what)
	}
	if slices.Equal(got, want) {
		return
	}
	missing, extra := map[string]bool{}, map[string]bool{}
	for _, w := range want {
		missing[w] = true
	}
	for _, g := range got {
		if !missing[g] {
			extra[g] = true
		}
		delete(missing, g)
	}
	show := func(lines map[string]bool) string {
		all := slices.Sorted(maps.Keys(lines))
		return strings.Join(all[:min(5, len(all))], "\n  ")
	}
	t.Errorf("%s: %d rows, want %d; %d wrong, as\n  %s\n%d missing, as\n  %s", what, len(got), len(want), len(extra), show(extra), len(missing), show(missing))
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
