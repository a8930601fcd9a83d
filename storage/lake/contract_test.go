package lake

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/storage/blob/blobtest"
)

func TestDifferences(t *testing.T) {
	old := Contract{1, []Column{{"id", "STRING", false}, {"amount", "DECIMAL(18,2)", false}, {"city", "STRING", true}}}
	change := func(version int, alter func(c []Column) []Column) Contract {
		return Contract{version, alter(slices.Clone(old.Columns))}
	}
	for name, c := range map[string]struct {
		now  Contract
		want string // "": they go together
	}{
		"the same":                              {old, ""},
		"a later version":                       {Contract{2, old.Columns}, ""},
		"an earlier version":                    {Contract{0, old.Columns}, "the files are of version 1 of the contract, this program knows version 0"},
		"another order":                         {change(1, func(c []Column) []Column { c[0], c[1] = c[1], c[0]; return c }), ""},
		"a column that may be null is new":      {change(2, func(c []Column) []Column { return append(c, Column{"score", "DOUBLE", true}) }), ""},
		"a column that may be null from now on": {change(2, func(c []Column) []Column { c[0].Optional = true; return c }), ""},
		"a required column is new": {change(2, func(c []Column) []Column { return append(c, Column{"score", "DOUBLE", false}) }),
			"column score is new and may not be null, but the files do not have it: make it optional"},
		"a column is gone": {change(2, func(c []Column) []Column { return c[:2] }), "column city (STRING) is in the files and not in the rows"},
		"another type": {change(2, func(c []Column) []Column { c[1].Type = "DOUBLE"; return c }),
			"column amount is DECIMAL(18,2) in the files and DOUBLE in the rows"},
		"null no more": {change(2, func(c []Column) []Column { c[2].Optional = false; return c }), "column city may be null in the files and not in the rows"},
		"all at once": {Contract{2, []Column{{"id", "INT(64,true)", false}, {"new", "STRING", false}}},
			"column id is STRING in the files and INT(64,true) in the rows; column amount (DECIMAL(18,2)) is in the files and not in the rows; " +
				"column city (STRING) is in the files and not in the rows; column new is new and may not be null, but the files do not have it: make it optional"},
	} {
		if got := strings.Join(c.now.Differences(old), "; "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// younger is row after a change that goes with its files, shrunk after one that does not.
type younger struct {
	Note      *string `parquet:"note,optional"`
	Text      string  `parquet:"text,dict"`
	Partition int32   `parquet:"kafka_partition"`
	Offset    int64   `parquet:"kafka_offset,delta"`
	Timestamp int64   `parquet:"kafka_timestamp,timestamp(microsecond:utc)"`
	Ingested  int64   `parquet:"ingestion_timestamp,timestamp(microsecond:utc)"`
}

type shrunk struct {
	Partition int32 `parquet:"kafka_partition"`
	Offset    int64 `parquet:"kafka_offset,delta"`
	Timestamp int64 `parquet:"kafka_timestamp,timestamp(microsecond:utc)"`
}

func toYounger(rec *Record, into *younger) Verdict {
	var r row
	v := toRow(rec, &r)
	note := "new"
	*into = younger{&note, r.Text, r.Partition, r.Offset, r.Timestamp, r.Ingested}
	return v
}

func TestRowsOfAnotherContract(t *testing.T) {
	disk := blobtest.NewDisk()
	l := openOn(disk, disk.Now)
	if err := l.Agree(t.Context(), ContractOf[shrunk](7)); err != nil {
		t.Errorf("a lake without files: %v", err)
	}
	src := testSource()
	mustIngest(t, src, NewWriter[row](l, OfContract(1)), 2, 0)
	refused := func(c Contract, want string) {
		t.Helper()
		err := l.Agree(t.Context(), c)
		if diff, ok := errors.AsType[*ContractError](err); !ok || !strings.Contains(diff.Error(), want) {
			t.Errorf("%v, want a ContractError with %q", err, want)
		}
	}
	refused(ContractOf[shrunk](2), "column text (STRING) is in the files and not in the rows")
	refused(ContractOf[row](0), "version 1 of the contract, this program knows version 0")
	for version := 1; version < 3; version++ {
		if err := l.Agree(t.Context(), ContractOf[younger](version)); err != nil {
			t.Error(err)
		}
	}
	ingestYounger(t, src, NewWriter[younger](l, OfContract(2)))
	refused(ContractOf[row](2), "column note (STRING) is in the files and not in the rows") // the old program is started again

	// Rows of the younger program are read from files of both, and from the file that these become.
	read := func() (rows, noted int) {
		t.Helper()
		files, err := l.Files(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if err := Rows(t.Context(), l, f, func(all []younger) error {
				for _, r := range all {
					if rows++; r.Note != nil {
						noted++
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		return rows, noted
	}
	rows, noted := read()
	if noted == 0 || noted == rows {
		t.Fatalf("%d of %d rows have a note: both programs wrote some", noted, rows)
	}
	days := map[Day]bool{}
	for _, f := range filesOf(t, l) {
		days[f.Day] = true
	}
	merged := 0
	for day := range days {
		if _, err := NewWriter[row](openOn(disk, disk.Now), OfContract(1)).Compact(t.Context(), day, DefaultTarget); err != nil && !strings.Contains(err.Error(), "column note (STRING) is in the files and not in the rows") {
			t.Error(err)
		} else if err != nil {
			merged++
		}
		if _, err := NewWriter[younger](openOn(disk, disk.Now), OfContract(2)).Compact(t.Context(), day, DefaultTarget); err != nil {
			t.Error(err)
		}
	}
	old := openOn(disk, disk.Now)
	if _, err := NewWriter[row](old, OfContract(1)).Replay(t.Context(), filesOf(t, l)[0].Day, src.decoder(toRow)); err == nil || !strings.Contains(err.Error(), "column note") {
		t.Errorf("a replay by an old program: %v", err)
	}
	if merged == 0 {
		t.Error("an old program merged files, and lost a column")
	}
	if again, notes := read(); again != rows || notes != noted {
		t.Errorf("after the compaction %d rows, %d with a note; want %d, %d", again, notes, rows, noted)
	}
}

// ingestYounger commits partition 1.
func ingestYounger(t *testing.T, src source, w *Writer[younger]) {
	t.Helper()
	state, err := w.lake.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := w.Begin(testTopicID, state)
	b.Cover(1)
	c := &Chunk[younger]{}
	c.Reset(testTopic, testTopicID, 1, 0)
	for o, rec := range src[1] {
		if rec == nil {
			err = c.Gap(Gap{int64(o), int64(o) + 1, CauseControl})
		} else {
			_, err = c.Take(rec, toYounger)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Add(c); err != nil {
		t.Fatal(err)
	}
	sealed, err := b.Seal(src.ends())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context(), sealed); err != nil {
		t.Fatal(err)
	}
}

func filesOf(t *testing.T, l *Lake) []File {
	t.Helper()
	files, err := l.Files(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return files
}
