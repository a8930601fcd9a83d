package ui

import "testing"

// TestFactsLeaveOutWhatIsEmpty: a lake in which nothing is yet has no topic id and no partitions.
func TestFactsLeaveOutWhatIsEmpty(t *testing.T) {
	facts, table := factsOf([]byte(`{"root":"/lake","topic_id":"","rows":0,"partitions":[],"dead_letters":{},"last":null}`))
	if len(facts) != 2 || facts[0].Value != "/lake" || facts[1] != (fact{Name: "rows", Value: "0"}) || table.Rows != nil {
		t.Errorf("%+v %+v", facts, table)
	}
	_, table = factsOf([]byte(`{"partitions":[{"partition":0,"error":""},{"partition":1,"error":"lost"}]}`))
	if len(table.Fields) != 2 || len(table.Rows) != 2 || table.Rows[1][1] != "lost" {
		t.Errorf("%+v", table)
	}
}
