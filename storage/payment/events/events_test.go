package events_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/payment/events"
)

func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func two() *int32 { p := int32(2); return &p }

func read(t *testing.T, text string) ([]events.Event, error) {
	t.Helper()
	r, err := events.NewReader("test.ndjson", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var all []events.Event
	for event, err := range r.All() {
		if err != nil {
			return all, err
		}
		all = append(all, event)
	}
	return all, nil
}

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       events.Event
	}{
		{"text", `{"k":"a","t":1000,"v":"{\"x\":1}"}`, events.Event{Key: []byte("a"), Time: at(1000), Value: []byte(`{"x":1}`)}},
		{"null key", `{"k":null,"t":1,"v":"x"}`, events.Event{Time: at(1), Value: []byte("x")}},
		{"no key", `{"t":1,"v":"x"}`, events.Event{Time: at(1), Value: []byte("x")}},
		{"empty key", `{"k":"","t":1,"v":"x"}`, events.Event{Key: []byte{}, Time: at(1), Value: []byte("x")}},
		{"bytes", `{"k":"a","t":1,"vb":"/wA="}`, events.Event{Key: []byte("a"), Time: at(1), Value: []byte{0xff, 0}}},
		{"zero bytes", `{"k":"a","t":1,"vb":""}`, events.Event{Key: []byte("a"), Time: at(1), Value: []byte{}}},
		{"zero characters", `{"k":"a","t":1,"v":""}`, events.Event{Key: []byte("a"), Time: at(1), Value: []byte{}}},
		{"tombstone", `{"k":"a","t":1}`, events.Event{Key: []byte("a"), Time: at(1)}},
		{"partition", `{"k":"a","t":1,"p":2}`, events.Event{Key: []byte("a"), Time: at(1), Partition: two()}},
		{"before 1970", `{"k":"a","t":-5,"v":"x"}`, events.Event{Key: []byte("a"), Time: at(-5), Value: []byte("x")}},
		{"blank lines", "\n  \r\n{\"t\":1}\r\n\n", events.Event{Time: at(1)}},
		{"long line", `{"t":1,"v":"` + strings.Repeat("x", 1<<20) + `"}`, events.Event{Time: at(1), Value: bytes.Repeat([]byte("x"), 1<<20)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all, err := read(t, tt.text)
			if err != nil || len(all) != 1 {
				t.Fatalf("%d events, error %v; want one", len(all), err)
			}
			if !reflect.DeepEqual(all[0], tt.want) {
				t.Errorf("got %#v, want %#v", all[0], tt.want)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	for _, tt := range []struct{ name, line, want string }{
		{"no JSON", `{"t":1`, "not an event"},
		{"no object", `[1]`, "not an event"},
		{"no timestamp", `{"k":"a","v":"x"}`, "t, the record's timestamp"},
		{"timestamp is text", `{"t":"1"}`, "not an event"},
		{"timestamp with decimals", `{"t":1.5}`, "not an event"},
		{"value is no text", `{"t":1,"v":{"x":1}}`, "not an event"},
		{"two values", `{"t":1,"v":"x","vb":""}`, "v and vb"},
		{"bad base64", `{"t":1,"vb":"%"}`, "not an event"},
		{"misspelt name", `{"t":1,"val":"x"}`, "val"},
		{"name twice", `{"t":1,"v":"x","v":"y"}`, "not an event"},
		{"negative partition", `{"t":1,"p":-1}`, "p, the partition"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all, err := read(t, "{\"t\":1}\n\n"+tt.line+"\n{\"t\":2}")
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "test.ndjson, line 3:") {
				t.Errorf("error %v; want one of line 3 with %q", err, tt.want)
			}
			if len(all) != 1 {
				t.Errorf("%d events before the error, want 1", len(all))
			}
		})
	}
}

func TestFilesComeBackAsWritten(t *testing.T) {
	want := []events.Event{
		{Key: []byte("a"), Time: at(1704067411400), Value: []byte("{\"name\":\"Zoë <&> \u2028\"}\n")},
		{Time: at(1), Value: []byte{0xff, 0xfe, 0}},
		{Key: []byte("t"), Time: at(2)},
		{Key: []byte{}, Time: at(3), Value: []byte{}, Partition: two()},
	}
	for _, name := range []string{"e.ndjson", "e.ndjson.gz"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			w, err := events.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, event := range want {
				if err := w.Write(event); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			r, err := events.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := range want {
				got, err := r.Next()
				if err != nil || !reflect.DeepEqual(got, want[i]) {
					t.Errorf("event %d: got %#v, %v; want %#v", i, got, err, want[i])
				}
				if r.Line() != i+1 {
					t.Errorf("event %d is on line %d", i, r.Line())
				}
			}
			if _, err := r.Next(); err != io.EOF {
				t.Errorf("after the last: %v, want io.EOF", err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWriteRefusesAKeyThatIsNotUTF8(t *testing.T) {
	if err := events.NewWriter(io.Discard).Write(events.Event{Key: []byte{0xff}, Time: at(1)}); err == nil {
		t.Error("no error: the key would come back changed")
	}
}

func TestATruncatedGzipIsAnError(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(bytes.Repeat([]byte("{\"t\":1}\n"), 1000)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cut.gz")
	if err := os.WriteFile(path, zipped.Bytes()[:zipped.Len()-5], 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := events.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for err = nil; err == nil; {
		_, err = r.Next()
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v, want %v", err, io.ErrUnexpectedEOF)
	}
}

func TestOpenNamesTheFile(t *testing.T) {
	if _, err := events.Open("/no/such/file"); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "/no/such/file") {
		t.Errorf("error %v; want one that names the file", err)
	}
}

func TestDays(t *testing.T) {
	now := time.Date(2024, 1, 2, 12, 0, 0, 0, time.UTC)
	days := func(text string) (names []string, err error) {
		r, err := events.NewReader("test", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		all, err := events.Days(r.All(), now)
		for _, day := range all {
			names = append(names, day.Format(time.RFC3339))
		}
		return names, err
	}
	got, err := days(`{"t":1704240000000}
{"t":1704153599999}
{"t":1704067200000}
{"t":946684800000}
{"t":946684799999}
{"t":1704283200001}`)
	want := []string{"2000-01-01T00:00:00Z", "2024-01-01T00:00:00Z", "2024-01-03T00:00:00Z"}
	if !slices.Equal(got, want) || err != nil {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if got, err := days(""); len(got) != 0 || err != nil {
		t.Errorf("of nothing: %v, %v", got, err)
	}
	if _, err := days(`{"t":1}` + "\n?"); err == nil {
		t.Error("no error of a broken line")
	}
}
