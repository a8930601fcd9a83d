package ingest

import "github.com/tidemill/tidemill/storage/lake"

// Loss is a span of offsets, from Start up to but not including End, that the broker deleted (by its retention, or because somebody asked
// it to) before they were read. The lake's log declares it as a gap with lake.CauseDeleted; nothing brings the records back.
type Loss struct {
	TopicID    string
	Partition  int32
	Start, End int64
	Entry      int64 // of the lake's log, which declares it
}

// losses are those that an entry declares.
func losses(e lake.Entry) []Loss {
	var all []Loss
	for _, r := range e.Partitions {
		for _, g := range r.Gaps {
			if g.Cause == lake.CauseDeleted {
				all = append(all, Loss{TopicID: e.TopicID, Partition: r.Partition, Start: g.Start, End: g.End, Entry: e.N})
			}
		}
	}
	return all
}

// tellLosses tells whoever is to know of what a commit has declared lost.
func (s *session[R]) tellLosses(e lake.Entry) {
	for _, l := range losses(e) {
		s.in.log.Error("the broker deleted records before they were read: they are missing from the lake; raise the topic's retention.ms, or find out what kept the stream",
			"partition", l.Partition, "from", l.Start, "to", l.End, "entry", l.Entry, "topic_id", l.TopicID)
		s.in.cfg.Lost(l)
	}
}
