package lake

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/storage/blob"
	"github.com/tidemill/tidemill/storage/blob/blobtest"
)

// sound is a lake of a few commits.
func sound(t *testing.T) (*blobtest.Disk, *Lake) {
	t.Helper()
	disk, src := blobtest.NewDisk(), testSource()
	w := NewWriter[row](openOn(disk, disk.Now))
	mustIngest(t, src, w, 9, 0, 1)
	mustIngest(t, src, w, 100, 0, 1, 2)
	return disk, openOn(disk, disk.Now)
}

// TestAuditNamesWhatIsWrong spoils a sound lake in each way and looks for the
// problem.
func TestAuditNamesWhatIsWrong(t *testing.T) {
	fileOf := func(disk *blobtest.Disk, part string) string {
		for _, name := range disk.Tree() {
			if strings.Contains(name, part) {
				return name
			}
		}
		return "none"
	}
	edit := func(disk *blobtest.Disk, name, from, to string) error {
		data, err := disk.ReadFile(name)
		if err != nil || !strings.Contains(string(data), from) {
			return fmt.Errorf("%q not in %s: %w", from, name, err)
		}
		return disk.WriteFile(name, []byte(strings.Replace(string(data), from, to, 1)))
	}
	forge := func(disk *blobtest.Disk, name, from, to string) error { // edit, with a checksum that fits
		if err := edit(disk, name, from, to); err != nil {
			return err
		}
		data, err := disk.ReadFile(name)
		if err != nil {
			return err
		}
		body, _ := withoutChecksum(data)
		return disk.WriteFile(name, withChecksum(body))
	}
	entry := func(n int) string { return fmt.Sprintf("_log/%s/%d.json", testTopic, n) }
	for name, c := range map[string]struct {
		spoil func(disk *blobtest.Disk) error
		want  string
	}{
		"sound":           {func(*blobtest.Disk) error { return nil }, ""},
		"rows gone":       {func(d *blobtest.Disk) error { return d.Remove(fileOf(d, "day=06")) }, "not exist"},
		"dead file gone":  {func(d *blobtest.Disk) error { return d.Remove(fileOf(d, "dead_letters/")) }, "not exist"},
		"a file too many": {func(d *blobtest.Disk) error { return d.Link(fileOf(d, "day=05"), "bronze/"+testTopic+"/stray.parquet") }, "stray.parquet: lies in the lake"},
		"a byte changed": {func(d *blobtest.Disk) error {
			name := fileOf(d, "day=07")
			data, err := d.ReadFile(name)
			data[len(data)/3] ^= 1
			return errors.Join(err, d.WriteFile(name, data))
		}, "checksum"},
		"a hole in the log": {func(d *blobtest.Disk) error {
			return d.Link("_log/"+testTopic+"/2.json", "_log/"+testTopic+"/4.json")
		}, "entry 3 is missing"},
		"an offset twice": {func(d *blobtest.Disk) error { // a row that is also a tombstone
			return forge(d, "_log/"+testTopic+"/1.json", `"start": 4,`, `"start": 3,`)
		}, "there twice: 3"},
		"an offset missing": {func(d *blobtest.Disk) error {
			return forge(d, "_log/"+testTopic+"/1.json", `"end": 9`, `"end": 10`)
		}, "9 offsets accounted for in [0, 10)"},
		"a dead byte changed": {func(d *blobtest.Disk) error {
			name := fileOf(d, "dead_letters/")
			data, err := d.ReadFile(name)
			data[len(data)/2] ^= 1
			return errors.Join(err, d.WriteFile(name, data))
		}, "checksum"},
		"a dead file too many": {func(d *blobtest.Disk) error {
			return d.Link(fileOf(d, "dead_letters/"), "dead_letters/"+testTopic+"/stray.parquet")
		}, "stray.parquet: lies in the lake"},
		"a file too many in the log": {func(d *blobtest.Disk) error {
			return d.Link(entry(1), "_log/"+testTopic+"/01.json")
		}, "01.json: lies in the log, and is no entry"},
		"an entry edited":               {func(d *blobtest.Disk) error { return edit(d, entry(1), `"committed_at": "20`, `"committed_at": "19`) }, "entry 1 of transactions: it was changed"},
		"the last entry edited":         {func(d *blobtest.Disk) error { return edit(d, entry(2), `"watermark": "20`, `"watermark": "21`) }, "entry 2 of transactions: it was changed"},
		"an entry without its sum":      {func(d *blobtest.Disk) error { return edit(d, entry(1), "\n \"checksum\":", "\n \"x\":") }, "is missing"},
		"its version edited":            {func(d *blobtest.Disk) error { return edit(d, entry(1), `"schema_version": 2`, `"schema_version": 1`) }, "entry 1 of transactions: it was changed"},
		"an entry of no JSON":           {func(d *blobtest.Disk) error { return edit(d, entry(1), `{`, `[`) }, "corrupt: entry 1 of transactions"},
		"an entry of no bytes":          {func(d *blobtest.Disk) error { return d.WriteFile(entry(2), nil) }, "corrupt: entry 2 of transactions"},
		"an end beyond all bounds":      {func(d *blobtest.Disk) error { return forge(d, entry(1), `"end": 9`, `"end": 900000000000000000`) }, "offsets accounted for"},
		"a tombstone beyond all bounds": {func(d *blobtest.Disk) error { return forge(d, entry(2), `"end": 12`, `"end": 900000000000000000`) }, "offsets accounted for"},
		"the last entry gone":           {func(d *blobtest.Disk) error { return d.Remove(entry(2)) }, "lies in the lake, the log does not list it"},
		"the first entry gone":          {func(d *blobtest.Disk) error { return d.Remove(entry(1)) }, "entry 1 is missing"},
		"a gap without a cause": {func(d *blobtest.Disk) error {
			return forge(d, "_log/"+testTopic+"/1.json", `"cause": "control"`, `"cause": ""`)
		}, `[5, 6) has the cause "", which proves nothing`},
		"a gap with a cause of no proof": {func(d *blobtest.Disk) error {
			return forge(d, "_log/"+testTopic+"/2.json", `"cause": "control"`, `"cause": "skipped"`)
		}, `the cause "skipped", which proves nothing`},
		"a row count": {func(d *blobtest.Disk) error {
			return forge(d, "_log/"+testTopic+"/1.json", `"rows": 6`, `"rows": 5`)
		}, "offsets accounted for"},
	} {
		t.Run(name, func(t *testing.T) {
			disk, l := sound(t)
			if err := c.spoil(disk); err != nil {
				t.Fatal(err)
			}
			report, err := l.Audit(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			all := strings.Join(report.Problems, "\n")
			if c.want == "" && !report.Clean() || !strings.Contains(all, c.want) {
				t.Errorf("problems:\n%s\nwant %q", all, c.want)
			}
			if c.want != "" && report.Clean() {
				t.Error("the audit found nothing")
			}
		})
	}
}

// TestAuditCountsEachOffset: the sums of a sound lake.
func TestAuditCountsEachOffset(t *testing.T) {
	_, l := sound(t)
	r, err := l.Audit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Partitions {
		if p.Rows+p.DeadLetters+p.Tombstones+p.GapOffsets != p.End-p.Start {
			t.Errorf("partition %d: %+v does not add up", p.Partition, p)
		}
	}
	if r.Rows != int64(len(testSource().accepted())) || r.DeadLetters != 6 || r.Tombstones != 5 || r.GapOffsets != 5 {
		t.Errorf("audit: %+v", r)
	}
}

// rotten is a disk that changes a byte of every Parquet file that is opened.
type rotten struct {
	blob.FS
	at func(size int) (int, byte)
}

func (r rotten) Open(name string) (blob.File, error) {
	data, err := r.ReadFile(name)
	if err != nil {
		return nil, err
	}
	i, x := r.at(len(data))
	data[i] ^= x
	d := blobtest.NewDisk()
	if err := d.WriteFile("x", data); err != nil {
		return nil, err
	}
	return d.Open("x")
}

// TestDamagedFile: a file with any byte changed is ErrCorrupt, with the
// checksum; without it (a rotten disk, then a forged log) it is an error or the
// right number of rows, never a panic.
func TestDamagedFile(t *testing.T) {
	disk, l := sound(t)
	files, err := l.Files(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	data, err := disk.ReadFile(files[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	dice := rand.New(rand.NewPCG(1, 2)) // #nosec G404
	for range 2000 {
		i, x := dice.IntN(len(data)), byte(1+dice.IntN(255))
		bad := openOn(rotten{disk, func(int) (int, byte) { return i, x }}, disk.Now)
		if err := Rows(t.Context(), bad, files[0], func([]row) error { return nil }); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("byte %d ^ %#x: %v, want ErrCorrupt", i, x, err)
		}
		forged := files[0]
		spoiled := append([]byte{}, data...)
		spoiled[i] ^= x
		forged.Checksum = checksumOf(spoiled)
		rows := int64(0)
		err := Rows(t.Context(), bad, forged, func(r []row) error { rows += int64(len(r)); return nil })
		if err == nil && rows != forged.Rows || err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("byte %d ^ %#x: %d rows, %v", i, x, rows, err)
		}
	}
}

// TestRows: a projection reads its columns in order, stops at yield's error and
// refuses what does not fit.
func TestRows(t *testing.T) {
	_, l := sound(t)
	files, err := l.Files(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	type projection struct {
		Offset    int64  `parquet:"kafka_offset"`
		Text      string `parquet:"text"`
		Partition int32  `parquet:"kafka_partition"`
	}
	rows := int64(0)
	for _, f := range files {
		err := Rows(t.Context(), l, f, func(chunk []projection) error {
			for _, r := range chunk {
				if want := fmt.Sprintf("row %d/%d", r.Partition, r.Offset); r.Text != want {
					t.Errorf("%+v, want text %q", r, want)
				}
			}
			rows += int64(len(chunk))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if want := int64(len(testSource().accepted())); rows != want {
		t.Errorf("%d rows, want %d", rows, want)
	}
	stop := errors.New("enough")
	if err := Rows(t.Context(), l, files[0], func([]projection) error { return stop }); err != stop { //nolint:errorlint // as it is
		t.Errorf("Rows = %v, want yield's error as it is", err)
	}
	type absent struct {
		X int64 `parquet:"no_such_column"`
	}
	if err := Rows(t.Context(), l, files[0], func([]absent) error { return nil }); err == nil || !strings.Contains(err.Error(), "no_such_column") {
		t.Errorf("a column that is not there: %v", err)
	}
	type wrong struct {
		Text int64 `parquet:"text"`
	}
	if err := Rows(t.Context(), l, files[0], func([]wrong) error { return nil }); err == nil || !strings.Contains(err.Error(), "text") {
		t.Errorf("a column of another type: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Rows(ctx, l, files[0], func([]projection) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Rows with a context that ended: %v", err)
	}
	defer func() {
		if recover() != "mine" {
			t.Error("a panic of the caller's own was swallowed")
		}
	}()
	_ = Rows(t.Context(), l, files[0], func([]projection) error { panic("mine") })
}
