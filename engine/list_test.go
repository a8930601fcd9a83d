package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestListIndex(t *testing.T) {
	for _, c := range []struct {
		raw  string
		want []string
	}{
		{`[]`, nil},
		{` [ ] `, nil},
		{`null`, nil},
		{`[1]`, []string{`1`}},
		{"[ 1 ,\n\"a,]\\\"\" , [2,[3]] , {\"a\":[1,2],\"a\":null} ,null]", []string{`1`, `"a,]\""`, `[2,[3]]`, `{"a":[1,2],"a":null}`, `null`}},
		{`["` + "\xff" + `", -1.5e400]`, []string{`"` + "\xff" + `"`, `-1.5e400`}},
	} {
		l, err := indexList([]byte(c.raw))
		n, lenErr := listLen([]byte(c.raw))
		if err != nil || lenErr != nil || n != len(c.want) || len(l.items) != n {
			t.Errorf("%s: %d and %d elements, %v, %v; want %d", c.raw, len(l.items), n, err, lenErr, len(c.want))
			continue
		}
		for i, want := range c.want {
			if raw, err := l.item(i); err != nil || string(raw) != want {
				t.Errorf("%s: element %d is %s, %v; want %s", c.raw, i, raw, err, want)
			}
		}
		if _, err := l.item(n); err == nil || !strings.Contains(err.Error(), "clear this task as a whole") {
			t.Errorf("%s: element %d: %v", c.raw, n, err)
		}
	}
	for _, raw := range []string{``, `{}`, `"[]"`, `1`, `[1`, `[1,`, `[1,]`, `[1 2]`, `[tru]`} {
		if _, err := listLen([]byte(raw)); err == nil || !strings.Contains(err.Error(), "no JSON list") {
			t.Errorf("%q: %v, want that it is no list", raw, err)
		}
	}
}

func TestOutputCacheKeepsWithinBounds(t *testing.T) {
	now := time.Unix(0, 0)
	task := &Task{listOut: true}
	key := func(run int64) InputKey { return InputKey{Run: run, Task: "list", MapIndex: -1} }
	filled := func(run int64, size int) Attempt {
		return Attempt{TaskKey: TaskKey{Run: run, Task: "list", MapIndex: -1}, Try: 1, Output: []byte(`["` + strings.Repeat("x", size) + `"]`)}
	}
	c := newOutputCache(10_000)
	for run := range int64(3) {
		c.put(key(run), task, filled(run, 2000), now)
	}
	if c.get(key(0), now) == nil { // used: the others go first
		t.Fatal("what fits is not kept")
	}
	c.put(key(3), task, filled(3, 4000), now)
	for run, kept := range []bool{true, false, true, true} {
		if got := c.get(key(int64(run)), now); (got != nil) != kept {
			t.Errorf("run %d is kept: %v, want %v", run, got != nil, kept)
		}
	}
	again := filled(3, 10)
	again.Try = 2
	if o := c.put(key(3), task, again, now); !c.get(key(3), now).is(again) || o.is(filled(3, 0)) {
		t.Error("a newer try does not take the place of an older one")
	}
	if o := c.put(key(4), task, filled(4, 20_000), now); len(o.list.items) != 1 || c.get(key(4), now) != nil {
		t.Error("what does not fit is to be returned, and not kept")
	}
	c.put(key(5), task, filled(5, 10), now)
	c.put(key(6), task, filled(6, 10), now.Add(outputCacheAge))
	c.expire(now.Add(outputCacheAge + 1))
	if c.get(key(5), now) != nil || c.get(key(6), now) == nil || len(c.byKey) != 1 || c.order.Len() != 1 || c.size != c.get(key(6), now).bytes() {
		t.Errorf("what is old is to go, and nothing else: %d kept of %d bytes", len(c.byKey), c.size)
	}
}

// One operation is one element of a list: what an instance costs must not depend on how many there are.
func BenchmarkListItem(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		raw := []byte("[" + strings.Repeat(`{"id":"0123456789","amount":"12.34"},`, n-1) + `{}]`)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			var l jsonList
			for i := range b.N {
				if i%n == 0 {
					l, _ = indexList(raw)
				}
				if item, err := l.item(i % n); err != nil || len(item) < 2 {
					b.Fatal(err)
				}
			}
		})
	}
}
