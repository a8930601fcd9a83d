package enginetest

import (
	"strings"

	"github.com/tidemill/tidemill/engine"
)

var logCases = []conformanceCase{
	{"a log is read in the order in which it was appended", func(f *fixture) {
		key := plain(f.running("d"), "t")
		f.append(key, 1, "{\"a\":1}\n", "{\"b\":\"\\u0000\"}\n{\"c\":3}\n")
		f.append(key, 1, "{\"d\":4}\n")
		chunks := f.log(key, 1, 0, 1<<20)
		equal(f, "lines", linesOf(chunks), "{\"a\":1}\n{\"b\":\"\\u0000\"}\n{\"c\":3}\n{\"d\":4}\n")
		for i, c := range chunks {
			equal(f, "key", c.TaskKey, key)
			equal(f, "try", c.Try, 1)
			if c.Seq <= 0 || i > 0 && c.Seq <= chunks[i-1].Seq {
				f.Errorf("position %d does not rise", c.Seq)
			}
		}
	}},
	{"each attempt has a log of its own", func(f *fixture) {
		key := plain(f.running("d"), "t")
		element := key
		element.MapIndex = 0
		other := plain(f.run("d"), "t")
		f.ok(f.AppendLog(f.ctx, []engine.LogChunk{
			{TaskKey: key, Try: 1, Lines: []byte("one\n")}, {TaskKey: key, Try: 2, Lines: []byte("two\n")},
			{TaskKey: element, Try: 1, Lines: []byte("three\n")}, {TaskKey: other, Try: 1, Lines: []byte("four\n")},
		}))
		equal(f, "try 1", linesOf(f.log(key, 1, 0, 1000)), "one\n")
		equal(f, "try 2", linesOf(f.log(key, 2, 0, 1000)), "two\n")
		equal(f, "element 0", linesOf(f.log(element, 1, 0, 1000)), "three\n")
		equal(f, "another run", linesOf(f.log(other, 1, 0, 1000)), "four\n")
		equal(f, "try 3", linesOf(f.log(key, 3, 0, 1000)), "")
	}},
	{"a log is read on after a position, with what was appended since", func(f *fixture) {
		key := plain(f.running("d"), "t")
		f.append(key, 1, "a\n", "b\n")
		first := f.log(key, 1, 0, 1000)
		last := first[len(first)-1].Seq
		equal(f, "after the last", linesOf(f.log(key, 1, last, 1000)), "")
		f.append(key, 1, "c\n")
		equal(f, "after the last, then", linesOf(f.log(key, 1, last, 1000)), "c\n")
		equal(f, "from the start", linesOf(f.log(key, 1, 0, 1000)), "a\nb\nc\n")
	}},
	{"a log is read in pages of about so many bytes", logPages},
	{"no chunks are no error", func(f *fixture) { f.ok(f.AppendLog(f.ctx, nil)) }},
}

func (f *fixture) append(key engine.TaskKey, try int, lines ...string) {
	f.Helper()
	var chunks []engine.LogChunk
	for _, l := range lines {
		chunks = append(chunks, engine.LogChunk{TaskKey: key, Try: try, Lines: []byte(l)})
	}
	f.ok(f.AppendLog(f.ctx, chunks))
}

func (f *fixture) log(key engine.TaskKey, try int, after int64, limit int) []engine.LogChunk {
	f.Helper()
	return got[[]engine.LogChunk](f)(f.ReadLog(f.ctx, key, try, after, limit))
}

func linesOf(chunks []engine.LogChunk) string {
	var b strings.Builder
	for _, c := range chunks {
		b.Write(c.Lines)
	}
	return b.String()
}

func logPages(f *fixture) {
	key := plain(f.running("d"), "t")
	const size, count, limit = 1000, 20, 3500
	var want strings.Builder
	for i := range count {
		line := strings.Repeat(string(rune('a'+i)), size-1) + "\n"
		want.WriteString(line)
		f.append(key, 1, line)
	}
	var have strings.Builder
	after, pages := int64(0), 0
	for {
		chunks := f.log(key, 1, after, limit)
		if len(chunks) == 0 {
			break
		}
		text := linesOf(chunks)
		if len(text) > limit+size {
			f.Errorf("a page holds %d bytes, want about %d", len(text), limit)
		}
		have.WriteString(text)
		after = chunks[len(chunks)-1].Seq
		pages++
	}
	equal(f, "the whole log is read", have.String() == want.String(), true)
	if pages < size*count/(limit+size) {
		f.Errorf("%d pages", pages)
	}
	equal(f, "a chunk larger than the limit is read", len(f.log(key, 1, 0, 10)), 1)
}
