package warehouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

func TestFold(t *testing.T) {
	row := func(id, status string, event, at int64, partition int32, offset int64, payload byte) payment.Row {
		return payment.Row{TransactionID: id, Status: status, EventTime: event, KafkaTimestamp: at, KafkaPartition: partition, KafkaOffset: offset, PayloadHash: [16]byte{payload}}
	}
	for name, c := range map[string]struct {
		rows   []payment.Row
		want   string
		others Counts
	}{
		"nothing":                      {nil, "", Counts{}},
		"events in the order of a key": {[]payment.Row{row("b", "S", 1, 1, 0, 1, 1), row("a", "S", 2, 1, 0, 2, 1), row("a", "S", 1, 1, 0, 3, 1), row("a", "P", 9, 1, 0, 4, 1)}, "aP9@4 aS1@3 aS2@2 bS1@1", Counts{}},
		"copies":                       {[]payment.Row{row("a", "S", 1, 1, 0, 1, 1), row("a", "S", 1, 1, 0, 3, 1), row("a", "S", 1, 1, 0, 2, 1)}, "aS1@3", Counts{Duplicate: 2}},
		"another payload":              {[]payment.Row{row("a", "S", 1, 1, 0, 2, 1), row("a", "S", 1, 1, 0, 1, 2)}, "aS1@2", Counts{Conflicting: 1}},
		"a copy after another payload": {[]payment.Row{row("a", "S", 1, 1, 0, 1, 1), row("a", "S", 1, 1, 0, 2, 2), row("a", "S", 1, 1, 0, 3, 1)}, "aS1@3", Counts{Duplicate: 1, Conflicting: 1}},
		"the timestamp comes first":    {[]payment.Row{row("a", "S", 1, 5, 0, 1, 1), row("a", "S", 1, 4, 9, 9, 2)}, "aS1@1", Counts{Conflicting: 1}},
		"then the partition":           {[]payment.Row{row("a", "S", 1, 5, 1, 1, 1), row("a", "S", 1, 5, 0, 9, 2)}, "aS1@1", Counts{Conflicting: 1}},
	} {
		winners, losers, others := fold(c.rows)
		if n := int64(len(losers)); n != others.Duplicate+others.Conflicting || n != int64(len(c.rows)-len(winners)) {
			t.Errorf("%s: %d others, counted are %+v", name, n, others)
		}
		var got []string
		for _, w := range winners {
			got = append(got, fmt.Sprintf("%s%s%d@%d", w.TransactionID, w.Status, w.EventTime, w.KafkaOffset))
		}
		if strings.Join(got, " ") != c.want || others != c.others {
			t.Errorf("%s: %v and %+v, want %s and %+v", name, got, others, c.want, c.others)
		}
	}
}

func TestMonths(t *testing.T) {
	for at, want := range map[string]string{
		"1970-01-01T00:00:00Z": "", "1999-12-31T23:59:59Z": "", "2000-01-01T00:00:00Z": "transactions_2000_01", "2024-02-29T23:59:59Z": "transactions_2024_02",
		"2024-12-31T23:59:59Z": "transactions_2024_12", "2099-12-31T23:59:59Z": "transactions_2099_12", "2100-01-01T00:00:00Z": "", "9999-12-31T23:59:59Z": "",
	} {
		parsed, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		m, got := monthOf(parsed.UnixMicro()), ""
		if m != noMonth {
			got = m.table()
			if parsed.Before(m.start()) || !parsed.Before((m + 1).start()) {
				t.Errorf("%s does not lie in its month from %s", at, m.start())
			}
		}
		if got != want {
			t.Errorf("%s: table %q, want %q", at, got, want)
		}
	}
}

func TestLate(t *testing.T) {
	for file, want := range map[string]bool{"2024-03-02": false, "2024-03-01": false, "2024-02-28": false, "2024-02-27": true, "2023-12-01": true} {
		if got := late(lake.Day(file), "2024-03-02", 3); got != want {
			t.Errorf("late(%s) = %t", file, got)
		}
	}
}

func TestErrorsOfTheDatabase(t *testing.T) {
	for code, want := range map[string]struct{ refusal, conflict bool }{
		"22021": {true, false}, "22003": {true, false}, "22008": {true, false}, "23502": {true, false}, "23514": {true, false}, "54000": {true, false},
		"22P04": {}, "22P03": {}, "23505": {}, "42P10": {}, "53100": {}, "57P01": {}, "40P01": {false, true}, "40001": {false, true},
	} {
		err := fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: code})
		if isRefusal(err) != want.refusal || isConflict(err) != want.conflict {
			t.Errorf("%s: refusal %t, conflict %t", code, isRefusal(err), isConflict(err))
		}
	}
	if isRefusal(nil) || isConflict(errors.New("other")) {
		t.Error("errors that are not the database's")
	}
}

// TestMoney sends what appendMoney writes through COPY and reads it back.
func TestMoney(t *testing.T) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, testkit.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, `CREATE TEMPORARY TABLE money (amount numeric)`); err != nil {
		t.Fatal(err)
	}
	all := []int64{0, 1, 10, 99, 100, 101, 9_999, 10_000, 999_999, 1_000_000, 1_000_001, 123_456_789_012_345_678, 999_999_999_999_999_999, -1, -12_345}
	wire := append([]byte(nil), copyHeader...)
	for _, hundredths := range all {
		wire = appendMoney(append(wire, 0, 1), hundredths)
	}
	if _, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(append(wire, 0xff, 0xff)), `COPY money FROM STDIN (FORMAT binary)`); err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(ctx, `SELECT amount::text FROM money`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for i, hundredths := range all {
		if want := payment.FormatAmount(hundredths); got[i] != want {
			t.Errorf("%d becomes %s, want %s", hundredths, got[i], want)
		}
	}
	// Equal to what PostgreSQL would have made of it, digit by digit: numerics of another form would be other keys.
	var odd int
	if err := conn.QueryRow(ctx, `SELECT count(*) FROM money WHERE numeric_send(amount) <> numeric_send(amount::text::numeric)`).Scan(&odd); err != nil || odd > 0 {
		t.Errorf("%d numerics are not in the form of PostgreSQL's, %v", odd, err)
	}
}

func TestLevelName(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: LevelName}))
	logger.Log(context.Background(), LevelCritical, "gone")
	logger.Error("bad")
	if !strings.Contains(log.String(), "level=CRITICAL msg=gone") || !strings.Contains(log.String(), "level=ERROR msg=bad") {
		t.Error(log.String())
	}
}
