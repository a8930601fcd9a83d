package sensors_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/tasks/sensors"
)

// A file arrives after a while; until then the sensor holds no slot.
func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	type Params struct {
		Day string `json:"day"`
	}
	d := engine.New[Params]("sales")
	files := engine.Sensor(d.Run(), "files", engine.Poke{Every: time.Minute, Timeout: 6 * time.Hour},
		sensors.Glob(time.Now, func(r engine.Run[Params]) sensors.Files {
			return sensors.Files{Pattern: filepath.Join(dir, r.Params.Day, "*.csv")}
		}))
	engine.After(files, "count", func(_ context.Context, found []sensors.FoundFile) (int, error) { return len(found), nil })
	engine.Sink(d.Run(), "deliver", func(_ context.Context, r engine.Run[Params]) error { // stands in for whoever brings the file
		if err := os.Mkdir(filepath.Join(dir, r.Params.Day), 0o700); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, r.Params.Day, "shop.csv"), []byte("1,2\n"), 0o600)
	})

	o, err := enginetest.Once(context.Background(), d, Params{Day: "2024-01-05"})
	if err != nil {
		fmt.Println(err)
		return
	}
	var n int
	if err := o.Output("count", &n); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(o.Run.State, n)
	// Output: success 1
}
