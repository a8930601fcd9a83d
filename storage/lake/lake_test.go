package lake

import (
	"strings"
	"testing"
)

func TestOpenRefusesWhatIsNoTopic(t *testing.T) {
	for _, topic := range []string{"", ".", "..", "a/b", "a b", "a~b", strings.Repeat("x", 201)} {
		if _, err := Open(t.TempDir(), topic); err == nil {
			t.Errorf("Open took the topic %q", topic)
		}
	}
	if _, err := Open("", "transactions"); err == nil {
		t.Error("Open took an empty root")
	}
}

func TestAbsentLakeIsEmpty(t *testing.T) {
	l, err := Open(t.TempDir()+"/none", "transactions")
	if err != nil {
		t.Fatal(err)
	}
	files, err := l.Files(t.Context(), "")
	if err != nil || len(files) != 0 {
		t.Errorf("Files = %v, %v; want none", files, err)
	}
	if w, err := l.Watermark(t.Context()); err != nil || !w.IsZero() {
		t.Errorf("Watermark = %v, %v; want zero", w, err)
	}
	report, err := l.Audit(t.Context())
	if err != nil || !report.Clean() {
		t.Errorf("Audit = %+v, %v; want clean", report, err)
	}
}
