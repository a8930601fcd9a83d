package ingest

import (
	"errors"
	"io"
	"testing"
)

// TestAgreed: brokers that are behind are not believed against one that knows more.
func TestAgreed(t *testing.T) {
	a, grown, b := said{topic: topicNow{"a", 3}}, said{topic: topicNow{"a", 5}}, said{topic: topicNow{"b", 3}}
	none, down := said{err: ErrNoTopic}, said{err: io.EOF}
	for name, c := range map[string]struct {
		answers []said
		want    topicNow
		err     error
	}{
		"one":                                    {[]said{a}, a.topic, nil},
		"one has not heard of new partitions":    {[]said{a, grown, a}, grown.topic, nil},
		"one is down":                            {[]said{a, down}, a.topic, nil},
		"all are down":                           {[]said{down, down}, topicNow{}, io.EOF},
		"there is none":                          {[]said{none, none}, topicNow{}, ErrNoTopic},
		"who is down might know":                 {[]said{none, down}, topicNow{}, io.EOF},
		"one has just started":                   {[]said{none, a, a}, topicNow{}, errDisagree},
		"one has not heard that it is made anew": {[]said{b, a}, topicNow{}, errDisagree},
	} {
		got, err := agreed("t", c.answers)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %v, %v, want %v, %v", name, got, err, c.want, c.err)
		}
		if transient := isTransient(err); err != nil && transient != !errors.Is(err, ErrNoTopic) {
			t.Errorf("%s: transient is %v", name, transient)
		}
	}
}
