package lake

import (
	"fmt"
	"testing"
	"time"
)

func TestClosedDays(t *testing.T) {
	s := newState(testTopic)
	s.PartitionsNow, s.TopicID = 2, testTopicID
	for day, files := range map[Day]int{"2024-01-04": 1, "2024-01-05": 2, "2024-01-06": 3, "2024-01-07": 4} {
		s.Days[day] = DayStat{Day: day, Files: files}
	}
	at := func(hour int) time.Time { return time.Date(2024, 1, 6, hour, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		marks [2]time.Time
		want  string
	}{
		{[2]time.Time{}, "[]"},
		{[2]time.Time{at(3), {}}, "[]"},
		{[2]time.Time{at(2), at(30)}, "[]"},
		{[2]time.Time{at(3), at(30)}, "[2024-01-05]"}, // the 4th has one file
		{[2]time.Time{at(27), at(30)}, "[2024-01-05 2024-01-06]"},
	} {
		for p, w := range c.marks {
			s.Partitions[PartitionKey{testTopicID, int32(p)}] = Partition{Watermark: w}
		}
		if got := fmt.Sprint(s.ClosedDays(3 * time.Hour)); got != c.want {
			t.Errorf("watermarks %v: %s, want %s", c.marks, got, c.want)
		}
	}
}
