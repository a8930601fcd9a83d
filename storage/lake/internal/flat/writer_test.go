package flat

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
	"pgregory.net/rapid"
)

// every has a column of each kind that the package knows.
type every struct {
	Text       string   `parquet:"text"`
	Few        string   `parquet:"few,dict"`
	Bytes      []byte   `parquet:"bytes"`
	Hash       [5]byte  `parquet:"hash,uncompressed"`
	Is         bool     `parquet:"is"`
	Score      float64  `parquet:"score"`
	Small      int32    `parquet:"small"`
	SmallDelta int32    `parquet:"small_delta,delta"`
	Large      int64    `parquet:"large"`
	At         int64    `parquet:"at,timestamp(microsecond:utc),delta"`
	Amount     int64    `parquet:"amount,decimal(2:18)"`
	MayText    *string  `parquet:"may_text,optional"`
	MayFew     *string  `parquet:"may_few,optional,dict"`
	MayIs      *bool    `parquet:"may_is,optional"`
	MayScore   *float64 `parquet:"may_score,optional"`
	MayLarge   *int64   `parquet:"may_large,optional"`
}

func drawRow(t *rapid.T) every {
	text := func(name string) string {
		return rapid.SampledFrom([]string{"", "a", "ab", "zebra", "Zürich", "aaaaaaaa", "aaaaaaab", "aaaaaaaab", strings.Repeat("ÿ", 20)}).Draw(t, name)
	}
	score := func() float64 {
		return rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, -1, math.Inf(1), math.SmallestNonzeroFloat64}).Draw(t, "score")
	}
	number := func() int64 { return rapid.Int64().Draw(t, "number") }
	r := every{
		Text: text("text"), Few: text("few"), Bytes: []byte(text("bytes")), Hash: [5]byte([]byte(text("hash") + "-----")[:5]), Is: rapid.Bool().Draw(t, "is"), Score: score(),
		Small: int32(number()), SmallDelta: int32(number()), Large: number(), At: number(), Amount: number(),
	}
	if rapid.Bool().Draw(t, "has") {
		s, f, is, x, n := text("may"), text("may"), rapid.Bool().Draw(t, "is"), score(), number()
		r.MayText, r.MayFew, r.MayIs, r.MayScore, r.MayLarge = &s, &f, &is, &x, &n
	}
	return r
}

// TestAgreesWithParquetGo: the same rows, written by both, have the same schema, the same values and the same statistics, and the page
// index says of each page what is in it.
func TestAgreesWithParquetGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		distinct := rapid.SliceOfN(rapid.Custom(drawRow), 1, 12).Draw(t, "rows")
		rows := make([]every, rapid.IntRange(1, 400).Draw(t, "n"))
		for i := range rows {
			rows[i] = distinct[(i/3*7+i)%len(distinct)]
		}
		opts := []parquet.WriterOption{
			parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}), parquet.MaxRowsPerRowGroup(int64(rapid.IntRange(50, 500).Draw(t, "group"))),
			parquet.PageBufferSize(rapid.IntRange(64, 4096).Draw(t, "page")), parquet.KeyValueMetadata("of", "all"), parquet.CreatedBy("flat", "1", "test"),
		}
		want := library(t, rows, opts)
		got := ours(t, rows, opts, rapid.IntRange(1, 400).Draw(t, "at a time"))
		compare(t, open(t, want), open(t, got), rows)
	})
}

func compare(t *rapid.T, want, got *parquet.File, rows []every) {
	if w, g := want.Schema().String(), got.Schema().String(); w != g {
		t.Fatalf("schema:\n%s\nwant\n%s", g, w)
	}
	w, g := want.Metadata(), got.Metadata()
	if !reflect.DeepEqual(w.Schema, g.Schema) || !reflect.DeepEqual(w.ColumnOrders, g.ColumnOrders) || w.CreatedBy != g.CreatedBy ||
		w.Version != g.Version || w.NumRows != g.NumRows || !reflect.DeepEqual(w.KeyValueMetadata, g.KeyValueMetadata) || len(w.RowGroups) != len(g.RowGroups) {
		t.Fatalf("footer: %+v, want %+v", g, w)
	}
	for i, group := range w.RowGroups {
		for j, chunk := range group.Columns {
			is, of := g.RowGroups[i].Columns[j].MetaData, chunk.MetaData
			if is.NumValues != of.NumValues || is.Codec != of.Codec || is.Type != of.Type || !slices.Equal(is.PathInSchema, of.PathInSchema) ||
				is.Statistics.NullCount != of.Statistics.NullCount || of.DictionaryPageOffset == 0 && is.SizeStatistics.UnencodedByteArrayDataBytes != of.SizeStatistics.UnencodedByteArrayDataBytes ||
				!slices.Equal(is.SizeStatistics.DefinitionLevelHistogram, of.SizeStatistics.DefinitionLevelHistogram) {
				t.Fatalf("group %d, column %v: %+v, want %+v", i, of.PathInSchema, is, of)
			}
			if of.PathInSchema[0] != "score" && of.PathInSchema[0] != "may_score" { // a zero's sign is ours to choose
				if !bytes.Equal(is.Statistics.MinValue, of.Statistics.MinValue) || !bytes.Equal(is.Statistics.MaxValue, of.Statistics.MaxValue) {
					t.Fatalf("group %d, column %v: from %q to %q, want from %q to %q", i, of.PathInSchema, is.Statistics.MinValue, is.Statistics.MaxValue, of.Statistics.MinValue, of.Statistics.MaxValue)
				}
			}
		}
	}
	checkPages(t, got)
	back := make([]every, len(rows))
	if n, err := parquet.NewGenericReader[every](got).Read(back); n != len(rows) || err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("%d rows, %v", n, err)
	}
	for i := range rows {
		if a, b := show(rows[i]), show(back[i]); a != b {
			t.Fatalf("row %d is %s, want %s", i, b, a)
		}
	}
}

// checkPages compares each page with what the page index says of it.
func checkPages(t *rapid.T, f *parquet.File) {
	for _, group := range f.RowGroups() {
		for _, chunk := range group.ColumnChunks() {
			index, err := chunk.ColumnIndex()
			if err != nil {
				t.Fatal(err)
			}
			offsets, err := chunk.OffsetIndex()
			if err != nil {
				t.Fatal(err)
			}
			pages := chunk.Pages()
			rows := int64(0)
			for i := range index.NumPages() {
				if offsets.FirstRowIndex(i) != rows {
					t.Fatalf("page %d begins at row %d, the index says %d", i, rows, offsets.FirstRowIndex(i))
				}
				page, err := pages.ReadPage()
				if err != nil {
					t.Fatal(err)
				}
				rows += page.NumRows()
				if page.NumNulls() != index.NullCount(i) || index.NullPage(i) != (page.NumNulls() == page.NumValues()) {
					t.Fatalf("page %d has %d nulls of %d, the index says %d", i, page.NumNulls(), page.NumValues(), index.NullCount(i))
				}
				values := make([]parquet.Value, page.NumValues())
				if _, err := page.Values().ReadValues(values); err != nil && !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
				order := chunk.Type()
				attained := func(bound parquet.Value) bool { // texts are cut, and a zero's sign is chosen
					return order.Kind() == parquet.Double || len(bound.Bytes()) >= indexSize ||
						slices.ContainsFunc(values, func(v parquet.Value) bool { return !v.IsNull() && order.Compare(v, bound) == 0 })
				}
				if !index.NullPage(i) && (!attained(index.MinValue(i)) || !attained(index.MaxValue(i))) {
					t.Fatalf("page %d does not have %v or %v", i, index.MinValue(i), index.MaxValue(i))
				}
				for _, v := range values {
					if !v.IsNull() && (order.Compare(v, index.MinValue(i)) < 0 || order.Compare(v, index.MaxValue(i)) > 0) {
						t.Fatalf("page %d has %v, the index says from %v to %v", i, v, index.MinValue(i), index.MaxValue(i))
					}
				}
			}
			if _, err := pages.ReadPage(); !errors.Is(err, io.EOF) {
				t.Fatalf("there are more pages than the index has: %v", err)
			}
			if err := pages.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func show(r every) string {
	text := fmt.Sprintf("%q %q %q %v %v %x %d %d %d %d %d", r.Text, r.Few, r.Bytes, r.Hash, r.Is, math.Float64bits(r.Score), r.Small, r.SmallDelta, r.Large, r.At, r.Amount)
	if r.MayText != nil {
		text += fmt.Sprintf(" %q %q %v %x %d", *r.MayText, *r.MayFew, *r.MayIs, math.Float64bits(*r.MayScore), *r.MayLarge)
	}
	return text
}

type fatal interface{ Fatal(...any) }

func library[R any](t fatal, rows []R, opts []parquet.WriterOption) []byte {
	var out bytes.Buffer
	w := parquet.NewGenericWriter[R](&out, opts...)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func ours[R any](t fatal, rows []R, opts []parquet.WriterOption, atOnce int) []byte {
	var out bytes.Buffer
	w, err := New[R](&out, opts...)
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, rows, atOnce)
	return out.Bytes()
}

func write[R any](t fatal, w *Writer[R], rows []R, atOnce int) {
	for part := range slices.Chunk(rows, atOnce) {
		if n, err := w.Write(part); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func open(t fatal, data []byte) *parquet.File {
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestSameRowsSameBytes: however many are written at a time, and whatever the writer wrote before.
func TestSameRowsSameBytes(t *testing.T) {
	var rows []every
	for i := range 1000 {
		s := fmt.Sprint(i % 50)
		r := every{Text: fmt.Sprint(i), Few: s, At: int64(i), Is: i%3 == 0}
		if i%2 == 0 {
			r.MayFew, r.MayText = &s, &s
		}
		rows = append(rows, r)
	}
	opts := []parquet.WriterOption{parquet.MaxRowsPerRowGroup(300), parquet.PageBufferSize(500)}
	want := ours(t, rows, opts, 1000)
	for _, n := range []int{1, 7, 64, 65, 999} {
		if got := ours(t, rows, opts, n); !bytes.Equal(got, want) {
			t.Errorf("%d at a time make another file", n)
		}
	}
	var out bytes.Buffer
	w, err := New[every](&out, opts...)
	if err != nil {
		t.Fatal(err)
	}
	w.SetKeyValueMetadata("of", "this file alone")
	write(t, w, rows[:777], 10)
	if v, ok := open(t, out.Bytes()).Lookup("of"); !ok || v != "this file alone" {
		t.Errorf("the footer tells %q", v)
	}
	w.Reset(&out)
	if _, err := w.Write(rows[5:99]); err != nil { // never closed
		t.Fatal(err)
	}
	out.Reset()
	w.Reset(&out)
	write(t, w, rows, 100)
	if !bytes.Equal(out.Bytes(), want) {
		t.Error("a writer that was used makes another file")
	}
}

// TestKeepsNothing: rows may change as soon as they are written.
func TestKeepsNothing(t *testing.T) {
	var out bytes.Buffer
	w, err := New[every](&out)
	if err != nil {
		t.Fatal(err)
	}
	text := []byte("payment")
	for range 3 {
		s := string(text)
		rows := []every{{Text: s, Few: s, Bytes: text, MayText: &s}}
		if _, err := w.Write(rows); err != nil {
			t.Fatal(err)
		}
		copy(text, "changed")
		rows[0] = every{}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	back := make([]every, 3)
	if _, err := parquet.NewGenericReader[every](open(t, out.Bytes())).Read(back); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if string(back[0].Bytes) != "payment" || back[0].Text != "payment" || *back[1].MayText != "changed" {
		t.Errorf("%+v", back)
	}
}

// TestADictionaryThatDoesNotPayIsGivenUp for the rest of the row group.
func TestADictionaryThatDoesNotPayIsGivenUp(t *testing.T) {
	type named struct {
		Name string `parquet:"name,dict"`
	}
	rows := make([]named, 60_000)
	for i := range rows {
		rows[i].Name = fmt.Sprintf("customer-%020d", i%40_000)
	}
	file := open(t, ours(t, rows, []parquet.WriterOption{parquet.MaxRowsPerRowGroup(50_000)}, 1000))
	for i, g := range file.Metadata().RowGroups {
		m := g.Columns[0].MetaData
		if text := fmt.Sprint(m.Encoding); (i == 0) != strings.Contains(text, "DELTA_LENGTH") && i == 0 || !strings.Contains(text, "RLE_DICTIONARY") {
			t.Errorf("group %d is in %s", i, text)
		}
		if m.DataPageOffset-m.DictionaryPageOffset > 2*maxDictionary {
			t.Errorf("group %d: a dictionary of %d bytes", i, m.DataPageOffset-m.DictionaryPageOffset)
		}
	}
	back := make([]named, len(rows))
	if n, err := parquet.NewGenericReader[named](file).Read(back); n != len(rows) || err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(n, err)
	}
	if !slices.Equal(rows, back) {
		t.Error("the rows are not those that were written")
	}
}

// TestNotANumber: a NaN has no place in the order, so that the bounds must exclude nothing.
func TestNotANumber(t *testing.T) {
	rows := []every{{Score: 3}, {Score: math.NaN()}, {Score: 5}}
	index, err := open(t, ours(t, rows, nil, 3)).RowGroups()[0].ColumnChunks()[5].ColumnIndex()
	if err != nil {
		t.Fatal(err)
	}
	if low, high := index.MinValue(0).Double(), index.MaxValue(0).Double(); !math.IsInf(low, -1) || !math.IsInf(high, 1) {
		t.Errorf("from %v to %v", low, high)
	}
}

// TestNoRows make a file without row groups, as parquet-go's.
func TestNoRows(t *testing.T) {
	if got, want := ours(t, []every(nil), nil, 1), library(t, []every(nil), nil); !bytes.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestUnsupported: what is not known is refused, and not written wrong.
func TestUnsupported(t *testing.T) {
	for name, err := range map[string]error{
		"list":     refusal[struct{ A []string }](),
		"struct":   refusal[struct{ A struct{ B int64 } }](),
		"time":     refusal[struct{ A time.Time }](),
		"unsigned": refusal[struct{ A uint64 }](),
		"uuid of a text": refusal[struct {
			A string `parquet:"a,uuid"`
		}](),
		"bytes that may be null": refusal[struct {
			A []byte `parquet:"a,optional"`
		}](),
		"dictionary of numbers": refusal[struct {
			A int64 `parquet:"a,dict"`
		}](),
		"decimal of bytes": refusal[struct {
			A [8]byte `parquet:"a,decimal(2:18)"`
		}](),
		"a field that is none": refusal[struct {
			A int64
			B int64 `parquet:"-"`
		}](),
		"not exported": refusal[struct {
			A int64
			b int64
		}](),
	} {
		if !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func refusal[R any]() (err error) {
	defer func() {
		if p := recover(); p != nil { // parquet-go's own refusal
			err = fmt.Errorf("%w: %v", ErrUnsupported, p)
		}
	}()
	_, err = New[R](io.Discard)
	return err
}

// TestWriteFails tells what the disk said.
func TestWriteFails(t *testing.T) {
	w, err := New[every](broken{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]every, 10)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); !errors.Is(err, errBroken) {
		t.Error(err)
	}
}

var errBroken = errors.New("no space left")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }

// BenchmarkNew is what the first file of a writer costs beside its rows.
func BenchmarkNew(b *testing.B) {
	b.Run("flat", func(b *testing.B) {
		for b.Loop() {
			if _, err := New[every](io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parquet-go", func(b *testing.B) {
		for b.Loop() {
			parquet.NewGenericWriter[every](io.Discard)
		}
	})
}
