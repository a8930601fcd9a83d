package warehouse_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/payment/goldref"
)

// memory is a lake in memory: files of rows that become visible when they are put in.
type memory struct {
	mu    sync.Mutex
	files []lake.File
	rows  map[string][]payment.Row
	dead  map[lake.Day]lake.DayStat
	// generations are those of days that were replayed.
	generations map[lake.Day]int
	// before, when set, is called before each chunk of a file is given out.
	before func(path string, row int) error
}

const chunk = 300 // no divisor of a batch

func (m *memory) ID() string { return "transactions" }

func (m *memory) put(path string, day lake.Day, rows []payment.Row) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rows == nil {
		m.rows = map[string][]payment.Row{}
	}
	m.rows[path] = rows
	m.files = append(m.files, lake.File{Path: path, Day: day, Rows: int64(len(rows)), TopicID: "topic", Checksum: "sha256:" + path, Generation: m.generations[day]})
	slices.SortFunc(m.files, func(a, b lake.File) int {
		return strings.Compare(string(a.Day)+a.Path, string(b.Day)+b.Path)
	})
}

// replay makes a day anew, as lake.Writer.Replay does: each of its files becomes one, of the day's next generation. again
// gives what becomes of a row, and whether it is one still.
func (m *memory) replay(day lake.Day, again func(payment.Row) (payment.Row, bool)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.generations == nil {
		m.generations = map[lake.Day]int{}
	}
	m.generations[day]++
	generation := m.generations[day]
	var files []lake.File
	for _, f := range m.files {
		if f.Day != day {
			files = append(files, f)
			continue
		}
		var rows []payment.Row
		for _, r := range m.rows[f.Path] {
			if r, ok := again(r); ok {
				rows = append(rows, r)
			}
		}
		if len(rows) == 0 {
			continue
		}
		f.Path, _, _ = strings.Cut(f.Path, "@")
		f.Path = fmt.Sprintf("%s@%d", f.Path, generation)
		f.Rows, f.Checksum, f.Generation = int64(len(rows)), "sha256:"+f.Path, generation
		m.rows[f.Path] = rows
		files = append(files, f)
	}
	m.files = files
}

func (m *memory) Files(_ context.Context, upTo lake.Day) ([]lake.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.files), func(f lake.File) bool { return f.Day > upTo }), nil
}

func (m *memory) Rows(ctx context.Context, f lake.File, yield func([]payment.Row) error) error {
	m.mu.Lock()
	rows := m.rows[f.Path]
	m.mu.Unlock()
	reused := make([]payment.Row, chunk)
	for at := 0; at < len(rows); at += chunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		if m.before != nil {
			if err := m.before(f.Path, at); err != nil {
				return err
			}
		}
		if err := yield(reused[:copy(reused, rows[at:])]); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Days(context.Context) ([]lake.DayStat, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	days := map[lake.Day]lake.DayStat{}
	for d, s := range m.dead {
		s.Day = d
		days[d] = s
	}
	for d, g := range m.generations {
		s := days[d]
		s.Day, s.Generation = d, g
		days[d] = s
	}
	for _, f := range m.files {
		s := days[f.Day]
		s.Day, s.Rows = f.Day, s.Rows+f.Rows
		days[f.Day] = s
	}
	var out []lake.DayStat
	for _, s := range days {
		out = append(out, s)
	}
	return out, nil
}

// rowsOf decodes what of events keeps the contract, by lake day.
func rowsOf(t testing.TB, events []goldref.Event) map[lake.Day][]payment.Row {
	t.Helper()
	days := map[lake.Day][]payment.Row{}
	for _, e := range events {
		if e.Value == nil {
			continue
		}
		var row payment.Row
		if payment.Decode(e.Value, &row) != nil {
			continue
		}
		row.KafkaPartition, row.KafkaOffset, row.KafkaTimestamp = e.Partition, e.Offset, e.Time.UnixMicro()
		row.IngestionTimestamp = row.KafkaTimestamp + 1
		day := lake.DayOf(e.Time)
		days[day] = append(days[day], row)
	}
	return days
}

var firstDay = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

func dayNumber(n int) lake.Day { return lake.DayOf(firstDay.AddDate(0, 0, n)) }

// topic makes up the records of n payments over days, with every edge of the contract's order: late settlements,
// refunds, disorder, ties on event_time, conflicting records of one event, changed currencies and dates, byte-for-byte
// retries on other partitions and days, event times at the ends of what is allowed.
func topic(seed uint64, n, days int) []goldref.Event {
	r := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // a test's data
	var events []goldref.Event
	limit := firstDay.AddDate(0, 0, days).Add(-time.Second)
	send := func(at time.Time, value string) {
		if at.After(limit) {
			return
		}
		events = append(events, goldref.Event{Partition: r.Int32N(3), Time: at.Truncate(time.Millisecond), Value: []byte(value)})
	}
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	for range n {
		id := uuid.Must(uuid.NewRandomFromReader(seeded{r})).String()
		if r.IntN(10) == 0 {
			id = strings.ToUpper(id)
		}
		begun := firstDay.Add(time.Duration(r.Int64N(int64(days) * int64(24*time.Hour))))
		currency, cents := pick("INR", "USD", "EUR"), r.IntN(100_000)
		record := func(status string, event time.Time) string {
			initiated, amount := begun, fmt.Sprintf("%d.%02d", cents/100, cents%100)
			switch r.IntN(60) {
			case 0:
				initiated = begun.AddDate(0, 0, -1)
			case 1:
				currency = pick("INR", "USD", "EUR", "CHF")
			case 2:
				amount = "9999999999999999.99"
			}
			return fmt.Sprintf(`{"transaction_id":%q,"status":%q,"event_time":%q,"initiated_at":%q,"amount":%q,"currency":%q,`+
				`"customer_id":"c%d","merchant_id":"m","payment_method":%q,"country":%s,"is_fraud":%t,"fraud_score":%.3f,"nonce":%d}`,
				id, status, event.In(time.FixedZone("", 5*3600+1800)).Format(time.RFC3339Nano), initiated.Format(time.RFC3339Nano), amount, currency,
				r.IntN(50), pick("UPI", "CARD", "NETBANKING", "WALLET"), pick("null", `"IN"`, `""`), r.IntN(20) == 0, r.Float64(), r.IntN(1_000_000))
		}
		step := begun
		for _, status := range []string{"PENDING", pick("SUCCESS", "SUCCESS", "FAILED"), "REFUNDED"} {
			if status == "REFUNDED" && r.IntN(8) > 0 {
				continue
			}
			value := record(status, step)
			sent := step.Add(time.Duration(r.Int64N(int64(time.Minute))))
			if r.IntN(10) == 0 {
				sent = sent.Add(time.Duration(r.Int64N(int64(5 * 24 * time.Hour)))) // out of order, days late
			}
			send(sent, value)
			if r.IntN(8) == 0 { // a retry, byte for byte
				send(sent.Add(time.Duration(r.Int64N(int64(48*time.Hour)))), value)
			}
			if r.IntN(12) == 0 { // the same event with another payload, and perhaps the first one again
				send(sent.Add(time.Duration(r.Int64N(int64(72*time.Hour)))), record(status, step))
				if r.IntN(2) == 0 {
					send(sent.Add(time.Duration(r.Int64N(int64(96*time.Hour)))), value)
				}
			}
			if r.IntN(12) == 0 { // another status at the same event_time
				send(sent.Add(time.Duration(r.Int64N(int64(24*time.Hour)))), record(pick("SUCCESS", "FAILED", "PENDING", "REFUNDED"), step))
			}
			if r.IntN(3) > 0 {
				step = step.Add(time.Duration(r.Int64N(int64(72 * time.Hour))))
			}
		}
		switch r.IntN(100) {
		case 0:
			send(begun, record("PENDING", time.UnixMicro(0)))
		case 1:
			send(begun, record("SUCCESS", time.Date(9999, 12, 31, 10, 0, 0, 0, time.UTC)))
		}
	}
	r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	slices.SortStableFunc(events, func(a, b goldref.Event) int { // disorder within an hour stays
		return a.Time.Truncate(time.Hour).Compare(b.Time.Truncate(time.Hour))
	})
	next := map[int32]int64{}
	for i := range events {
		p := events[i].Partition
		events[i].Offset = next[p]
		next[p]++
	}
	return events
}

// seeded is a reader of a random source.
type seeded struct{ *rand.Rand }

func (s seeded) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(s.Uint32())
	}
	return len(p), nil
}
