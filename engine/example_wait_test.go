package engine_test

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

// A sensor looks until what it waits for is there, and then yields it. Between two looks it holds no slot.
func ExampleSensor() {
	d := engine.New[engine.NoParams]("sensor")
	looks := 0
	file := engine.Sensor(d.Run(), "file", engine.Poke{Every: 10 * time.Minute, Timeout: 12 * time.Hour},
		func(context.Context, engine.Run[engine.NoParams]) (path string, ready bool, err error) {
			looks++
			return "/in/day.csv", looks == 3, nil
		})
	engine.Sink(file, "load", func(_ context.Context, path string) error {
		fmt.Println("load", path, "after", looks, "looks")
		return nil
	})

	if _, err := enginetest.Once(context.Background(), d, nil); err != nil {
		fmt.Println(err)
	}
	// Output: load /in/day.csv after 3 looks
}

// A person's answer is a typed value. In a test it is given with the trial.
func ExampleApprove() {
	type decision string
	d := engine.New[engine.NoParams]("approve")
	rows := engine.After(d.Run(), "count", func(context.Context, engine.Run[engine.NoParams]) (int, error) { return 7, nil })
	answer := engine.Approve(rows, "confirm", engine.Question[int, decision]{
		Text:    func(n int) string { return fmt.Sprintf("Delete %d rows?", n) },
		Answers: []decision{"delete", "keep"},
		Timeout: 24 * time.Hour, Default: "keep",
	})
	engine.Sink(answer, "act", func(_ context.Context, a engine.Answer[decision]) error {
		fmt.Printf("%s, says %s\n", a.Choice, a.By)
		return nil
	})

	catalog, err := engine.Compile(d)
	if err != nil {
		fmt.Println(err)
		return
	}
	trial := enginetest.Trial{Answers: map[string]string{"confirm": "delete"}}
	if _, err := enginetest.Try(context.Background(), catalog, "approve", trial); err != nil {
		fmt.Println(err)
	}
	// Output: delete, says enginetest
}

// A run of another DAG, with params of its type, and its end waited for.
func ExampleTriggerDAG() {
	type letter struct{ To string }
	letters := engine.New[letter]("letters")
	engine.Sink(letters.Run(), "send", func(_ context.Context, r engine.Run[letter]) error { fmt.Println("dear", r.Params.To); return nil })

	d := engine.New[engine.NoParams]("trigger")
	name := engine.After(d.Run(), "name", func(context.Context, engine.Run[engine.NoParams]) (string, error) { return "Ada", nil })
	sent := engine.TriggerDAG(name, "write", letters, func(name string) letter { return letter{To: name} }, engine.AwaitRun(time.Hour))
	engine.Sink(sent, "file", func(_ context.Context, r engine.Run[letter]) error {
		fmt.Println("filed:", r.DAG, r.Params.To)
		return nil
	})

	catalog, err := engine.Compile(d, letters)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := enginetest.Try(context.Background(), catalog, "trigger", enginetest.Trial{}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// dear Ada
	// filed: letters Ada
}

// The DAG runs when orders and one of the two rates have been updated since its last run, by whatever DAG or person.
func ExampleOnAssets() {
	const orders, rates, ratesByHand = engine.Asset("shop.orders"), engine.Asset("ecb.rates"), engine.Asset("files/rates.csv")

	load := engine.New[engine.NoParams]("load", engine.Schedule("@hourly", "UTC"))
	engine.Sink(load.Run(), "orders", func(context.Context, engine.Run[engine.NoParams]) error { return nil }, engine.Updates(orders))

	report := engine.New[engine.NoParams]("report", engine.OnAssets(engine.All(orders, engine.Any(rates, ratesByHand))))
	engine.Sink(report.Run(), "write", func(ctx context.Context, _ engine.Run[engine.NoParams]) error {
		events, err := engine.TriggeringEvents(ctx) // which updates these were
		engine.Log(ctx).Info("new", "events", len(events))
		return err
	})

	catalog, err := engine.Compile(load, report)
	if err != nil {
		fmt.Println(err)
		return
	}
	d, _ := catalog.DAG("report")
	fmt.Println(d.Spec.Assets.Names())
	fmt.Println(d.Spec.Assets.Holds(map[string]bool{"shop.orders": true}))
	fmt.Println(d.Spec.Assets.Holds(map[string]bool{"shop.orders": true, "files/rates.csv": true}))
	// Output:
	// [ecb.rates files/rates.csv shop.orders]
	// false
	// true
}
