package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/payment/goldref"
)

// record is one change of state of a payment, as small as the contract allows.
func record(id int, status, eventTime string, recorded time.Time, more ...string) goldref.Event {
	key := fmt.Sprintf("%08x-0000-4000-8000-000000000000", id)
	value := fmt.Sprintf(`{"transaction_id":%q,"status":%q,"event_time":%q,"initiated_at":%q,"amount":"10.00","currency":"INR","customer_id":"c","merchant_id":"m","payment_method":"UPI"%s}`,
		key, status, eventTime, eventTime, strings.Join(append([]string{""}, more...), ","))
	return goldref.Event{Time: recorded.UTC().Truncate(time.Millisecond), Key: []byte(key), Value: []byte(value)}
}

func at(text string) time.Time {
	parsed, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err) // a constant of a test
	}
	return parsed
}

// Edges produces small files one after the other to one home. Each adds to what is there, from a Gold of nothing at all on.
func Edges(t *testing.T) {
	t.Parallel()
	h := newOutsideHome(t)
	const noon = "2024-03-05T12:00:00Z"
	now := time.Now()
	tie := func(id int, status string, recorded time.Time, note string) goldref.Event {
		return record(id, status, noon, recorded, fmt.Sprintf(`"note":%q`, note))
	}
	broken := record(1, "SUCCESS", noon, at(noon))
	broken.Value = append(broken.Value, '}')
	empty := record(2, "SUCCESS", noon, at(noon))
	empty.Value = []byte{}
	tombstone := record(3, "PENDING", noon, at(noon))
	tombstone.Value = nil
	var files []string
	for _, c := range []struct {
		name string
		list []goldref.Event
	}{
		{"tombstones only", []goldref.Event{tombstone, tombstone}},
		{"dead letters only", []goldref.Event{broken, empty}},
		{"a single event", []goldref.Event{record(4, "PENDING", noon, at(noon))}},
		{"ties on event_time", []goldref.Event{
			tie(5, "REFUNDED", at(noon), ""), tie(5, "SUCCESS", at(noon).Add(time.Hour), ""), tie(5, "PENDING", at(noon).Add(2*time.Hour), ""), // rank decides
			tie(6, "SUCCESS", at(noon), "a"), tie(6, "FAILED", at(noon), "b"), // the offset does
			tie(7, "FAILED", at(noon).Add(time.Minute), "a"), tie(7, "SUCCESS", at(noon), "b"), // the record's timestamp does
			tie(8, "SUCCESS", at(noon), "a"), tie(8, "SUCCESS", at(noon), "b"), tie(8, "SUCCESS", at(noon), "a"), // one event, two payloads, the first again
		}},
		{"around midnight", []goldref.Event{
			record(9, "PENDING", "2024-03-06T05:29:59.999999+05:30", at("2024-03-05T23:59:59.999Z")),
			record(9, "SUCCESS", "2024-03-06T00:00:00Z", at("2024-03-06T00:00:00Z")),
			record(10, "SUCCESS", "2024-03-05T24:00:00Z", at("2024-03-06T00:00:00Z")), // no time at all
		}},
		{"today and within 24 hours ahead of the clock", []goldref.Event{
			record(11, "PENDING", now.UTC().Format(time.RFC3339Nano), now),
			record(11, "SUCCESS", now.UTC().Add(time.Second).Format(time.RFC3339Nano), now.Add(23*time.Hour)),
			record(12, "SUCCESS", now.UTC().Format(time.RFC3339Nano), now.Add(26*time.Hour)), // refused
		}},
		{"days years apart", []goldref.Event{
			record(4, "SUCCESS", "2024-03-07T00:00:00Z", at("2024-12-31T23:59:59.999Z")),
			record(13, "PENDING", "9999-12-31T23:59:59.999999Z", at("2000-01-01T00:00:00Z")),
			record(14, "SUCCESS", "1970-01-01T00:00:00Z", at("2012-02-29T12:00:00Z")),
		}},
	} {
		file := writeEvents(t, filepath.Join(t.TempDir(), "events.ndjson"), c.list, false)
		files = append(files, file)
		h.demo(file)
		h.opened(func(o outcome) { o.checkAll(files...) })
		if t.Failed() {
			t.Fatalf("after the file of %s", c.name)
		}
	}
	h.checkNothingEmbedded()
}

// FilesThatCannotBeUsed are refused with a clear line before anything is started.
func FilesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"empty":              {"", "no"},
		"of blank lines":     {"\n  \n\n", "no"},
		"not NDJSON":         {`{"k":null,"t":1704067200000,"v":"x"}` + "\nhello\n", "line 2"},
		"without timestamps": {`{"k":"a","v":"x"}` + "\n", "line 1: t, the record's timestamp"},
		"missing":            {"-", "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &home{t: t, dir: filepath.Join(t.TempDir(), "home")}
			file := filepath.Join(t.TempDir(), "events.ndjson")
			if c.text != "-" {
				if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			p := h.run(2, "demo", "--once", "--events", file)
			if said := p.errOut.String(); !strings.Contains(said, c.want) || strings.Count(said, "\n") != 1 {
				t.Errorf("it says %q, want one line with %q", said, c.want)
			}
			if _, err := os.Stat(h.dir); !os.IsNotExist(err) {
				t.Errorf("the home was made all the same (%v)", err)
			}
		})
	}
}
