package shell

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type entry struct {
	Msg  string
	Part int
}

func entries(t interface{ Fatal(...any) }, pieces []string) (all []entry) {
	var out bytes.Buffer
	l := &lineLog{log: slog.New(slog.NewJSONHandler(&out, nil))}
	for _, p := range pieces {
		l.add([]byte(p))
	}
	l.end()
	for line := range strings.Lines(out.String()) {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func TestLines(t *testing.T) {
	long := strings.Repeat("ä", maxLine) // 2 bytes each
	for _, c := range []struct {
		name   string
		pieces []string
		want   []entry
	}{
		{"none", nil, nil},
		{"in pieces", []string{"a", "b\nc", "\n"}, []entry{{"ab", 0}, {"c", 0}}},
		{"empty ones", []string{"\n\na\n"}, []entry{{"", 0}, {"", 0}, {"a", 0}}},
		{"without an end", []string{"a\nb"}, []entry{{"a", 0}, {"b", 0}}},
		{"of Windows", []string{"a\r\nb\r", "\n"}, []entry{{"a", 0}, {"b", 0}}},
		{"no UTF-8", []string{"a\xffb\n"}, []entry{{"a�b", 0}}},
		{"as long as may be", []string{strings.Repeat("x", maxLine-1), "y\nz\n"}, []entry{{strings.Repeat("x", maxLine-1) + "y", 0}, {"z", 0}}},
		{"as long as may be, its end later", []string{strings.Repeat("x", maxLine), "\nz\n"}, []entry{{strings.Repeat("x", maxLine), 1}, {"z", 0}}},
		{"a long one", []string{"x" + long + "\nnext\n"}, []entry{{"x" + long[:maxLine-2], 1}, {long[maxLine-2 : 2*maxLine-2], 2}, {long[2*maxLine-2:], 3}, {"next", 0}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := entries(t, c.pieces)
			if len(got) != len(c.want) {
				t.Fatalf("%d entries, want %d", len(got), len(c.want))
			}
			for i := range got {
				if got[i] != c.want[i] {
					t.Errorf("entry %d is part %d, %d bytes; want part %d, %d bytes: %.20q …", i, got[i].Part, len(got[i].Msg), c.want[i].Part, len(c.want[i].Msg), got[i].Msg)
				}
			}
		})
	}
}

// Nothing of what is printed is missing in the log, and the end of it is kept, however it comes.
func TestNothingIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOfN(rapid.StringMatching(`[aä€\n]{0,30}`), 0, 20).Draw(t, "pieces")
		big := rapid.IntRange(0, 3*maxLine).Draw(t, "big")
		pieces = append(pieces, strings.Repeat("€", big))
		keep := rapid.IntRange(1, 50).Draw(t, "keep")
		kept := tail{keep: keep}
		for _, p := range pieces {
			kept.add([]byte(p))
		}
		all := strings.Join(pieces, "")
		var text strings.Builder
		for i, e := range entries(t, pieces) {
			if i > 0 && e.Part <= 1 {
				text.WriteByte('\n')
			}
			text.WriteString(e.Msg)
		}
		if text.String() != strings.TrimSuffix(all, "\n") {
			t.Fatalf("%d bytes are logged as %d", len(all), text.Len())
		}
		got := kept.String()
		if kept.all != int64(len(all)) || !strings.HasSuffix(all, got) || len(got) > keep || len(got) < min(len(all), keep-2) {
			t.Fatalf("of %d bytes the last %d are kept: %q", len(all), len(got), got)
		}
	})
}
