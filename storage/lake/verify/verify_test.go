package verify

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/tidemill/tidemill/storage/lake/laketest"
	"github.com/tidemill/tidemill/storage/payment"
)

// childVar makes this test binary the reading process; "dies" makes it one that panics at once.
const childVar = "VERIFY_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childVar) {
	case "":
		os.Exit(m.Run())
	case "dies":
		panic("index out of range, in a goroutine of its own")
	}
	if err := Serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func inChild(how string) func(context.Context) *exec.Cmd {
	return func(ctx context.Context) *exec.Cmd {
		cmd := exec.CommandContext(ctx, os.Args[0])
		cmd.Env = append(os.Environ(), childVar+"="+how)
		return cmd
	}
}

// amounts is the sum of the rows' amounts.
func amounts(rows []payment.Row) string {
	var sum big.Int
	for _, r := range rows {
		sum.Add(&sum, big.NewInt(r.Amount))
	}
	return decimal(&sum, 2)
}

// TestTheSecondReaderAgrees on a lake of hostile records: every column of every file, and the sums.
func TestTheSecondReaderAgrees(t *testing.T) {
	t.Parallel()
	l, accepted, dead := laketest.Hostile(t, 6000)
	report, err := Lake(t.Context(), l, inChild("reads"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range report.Differences {
		t.Errorf("%+v", d)
	}
	s, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	live, err := s.FilesOf("")
	if err != nil {
		t.Fatal(err)
	}
	deadFiles, err := s.DeadFiles()
	if err != nil {
		t.Fatal(err)
	}
	files, rows, sum := len(live)+len(deadFiles), int64(len(accepted)+len(dead)), amounts(accepted)
	if report.Files != files || report.Rows != rows || report.Sums["amount"] != sum || rows < 5000 {
		t.Errorf("%d files, %d rows, amounts %v; want %d, %d, %s", report.Files, report.Rows, report.Sums, files, rows, sum)
	}
}

// TestWhatDiffersIsNamed: rows that the log does not know, other values, other columns, damage, and a reader that dies.
func TestWhatDiffersIsNamed(t *testing.T) {
	t.Parallel()
	l, _, _ := laketest.Hostile(t, 600)
	s, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	files, err := s.FilesOf("")
	if err != nil {
		t.Fatal(err)
	}
	file := files[0]
	whole, err := os.ReadFile(l.Abs(file))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := parquet.ReadFile[payment.Row](l.Abs(file))
	if err != nil {
		t.Fatal(err)
	}
	rewritten := func(rows []payment.Row) []byte {
		var out strings.Builder
		if err := parquet.Write(&out, rows); err != nil {
			t.Fatal(err)
		}
		return []byte(out.String())
	}
	later := append([]payment.Row{}, rows...)
	later[0].KafkaTimestamp = file.MaxTimestamp.Add(time.Millisecond).UnixMicro()
	for _, c := range []struct {
		name   string
		data   []byte
		child  string
		column string
		want   string
	}{
		{"a row too few", rewritten(rows[1:]), "reads", "", "the log says"},
		{"a later record", rewritten(later), "reads", "kafka_timestamp", "the log says from"},
		{"no Parquet", []byte("no Parquet at all, but text"), "reads", "", "cannot be read"},
		{"an empty file", nil, "reads", "", "cannot be read"},
		{"its reader dies", whole, "dies", "", "in a goroutine of its own"},
	} {
		if err := os.WriteFile(l.Abs(file), c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		report, err := Lake(t.Context(), l, inChild(c.child))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		found := false
		for _, d := range report.Differences {
			found = found || d.File == file.Path && d.Column == c.column && strings.Contains(d.What, c.want)
		}
		if !found || report.Agrees() {
			t.Errorf("%s: it is not told among %+v", c.name, report.Differences)
		}
	}
}

// TestReadingsAreCompared column by column.
func TestReadingsAreCompared(t *testing.T) {
	of := func(change func(*Column)) *Reading {
		c := Column{Name: "amount", Values: 2, Nulls: 1, Sum: "12.30", Digest: "d"}
		change(&c)
		return &Reading{Rows: 3, Columns: []Column{c}}
	}
	same := of(func(*Column) {})
	for _, c := range []struct {
		name string
		got  *Reading
		want string // "" is no difference
	}{
		{"the same", of(func(*Column) {}), ""},
		{"fewer rows", &Reading{Rows: 2, Columns: same.Columns}, "2 rows, we read 3"},
		{"another null", of(func(c *Column) { c.Values, c.Nulls = 1, 2 }), "1 values and 2 nulls, we read 2 and 1"},
		{"another sum", of(func(c *Column) { c.Sum = "1230.00" }), "a sum of 1230.00, we read 12.30"},
		{"other values", of(func(c *Column) { c.Digest = "e" }), "other values"},
		{"no column", &Reading{Rows: 3}, "no such column"},
		{"another column", &Reading{Rows: 3, Columns: append([]Column{{Name: "more"}}, same.Columns...)}, "we see no such column"},
	} {
		f := readFile{reading: c.got}
		f.compare("file", same)
		if got := fmt.Sprint(f.differences); (c.want == "") != (len(f.differences) == 0) || !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %q", c.name, got, c.want)
		}
	}
}

func TestDecimalsAreExact(t *testing.T) {
	for unscaled, want := range map[int64]string{0: "0.00", 5: "0.05", -5: "-0.05", 1230: "12.30", -123456: "-1234.56"} {
		g := newGauge("amount", 2)
		g.int(unscaled)
		if got := g.end().Sum; got != want {
			t.Errorf("%d is told as %s, want %s", unscaled, got, want)
		}
	}
	s := sums{}
	for range 3 { // beyond an int64
		if err := s.add(&Reading{Columns: []Column{{Name: "amount", Sum: "90000000000000000.01"}}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.texts()["amount"]; got != "270000000000000000.03" {
		t.Errorf("the sum is %s", got)
	}
	for _, bad := range []string{"x", "1.2"} {
		if err := s.add(&Reading{Columns: []Column{{Name: "amount", Sum: bad}}}); !errors.Is(err, errSum) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
