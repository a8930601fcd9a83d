// Package failures runs the tests of package e2e that stop and kill: the five failure scenarios, Ctrl-C and SIGKILL.
package failures_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/tidemill/tidemill/e2e"
)

// They mostly wait, for sessions of dead consumers to end and batches to be old enough: one more at once than there are processors here.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "3"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	e2e.Main(m)
}

func TestIngestionKilledUnderLoad(t *testing.T) { e2e.IngestionKilledUnderLoad(t) }
func TestTheProducerStops(t *testing.T)         { e2e.TheProducerStops(t) }
func TestLoadDiesHalfway(t *testing.T)          { e2e.LoadDiesHalfway(t) }
func TestDBTModelFails(t *testing.T)            { e2e.DBTModelFails(t) }
func TestDuplicatesChangeNothing(t *testing.T)  { e2e.DuplicatesChangeNothing(t) }
func TestStoppedAndGoesOn(t *testing.T)         { e2e.StoppedAndGoesOn(t) }
