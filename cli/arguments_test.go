package cli

import (
	"reflect"
	"testing"

	"github.com/tidemill/tidemill/engine"
)

func TestTaskInstancesAreReadAsTheyArePrinted(t *testing.T) {
	for _, c := range []struct {
		text string
		task string
		i    int
	}{{"load", "load", -1}, {"load[0]", "load", 0}, {"load[12]", "load", 12}, {"load[x]", "load[x]", -1}, {"[1]", "[1]", -1}, {"load[99999999999999999999]", "load[99999999999999999999]", -1}} {
		task, i := instance(c.text)
		if task != c.task || i != c.i {
			t.Errorf("%s is read as %s, %d", c.text, task, i)
		}
		if got := instanceName(task, i); got != c.text {
			t.Errorf("%s is printed as %s", c.text, got)
		}
	}
}

func TestTasksAndElementsAreChosen(t *testing.T) {
	for list, want := range map[string]engine.Selection{
		"":                {},
		"a, b":            {Tasks: []string{"a", "b"}},
		"load[1]":         {Tasks: []string{"load"}, MapIndexes: []int{1}},
		"load[1],load[0]": {Tasks: []string{"load"}, MapIndexes: []int{1, 0}},
	} {
		if got, err := instances(list); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q is read as %+v, %v; want %+v", list, got, err, want)
		}
	}
	for _, list := range []string{"load[1],report", "report,load[1]", "load,load[1]", "load[1],load", "a[0],b[0]"} {
		if got, err := instances(list); err == nil {
			t.Errorf("%q is read as %+v", list, got)
		}
	}
}
