package settings_test

import (
	"context"
	"fmt"
	"net/url"
	"os"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/settings"
)

// A connection is a struct of settings.
type Warehouse struct {
	URL      url.URL         `setting:"URL,required" doc:"where the warehouse is, without a password"`
	Password settings.Secret `setting:"PASSWORD,required" doc:"of the role that writes"`
}

type Sales struct {
	Warehouse Warehouse `setting:"WAREHOUSE_"`
	Batch     int       `setting:"BATCH" default:"500"`
}

func Example() {
	source := settings.New(settings.Env("SALES_"), settings.Files("/run/secrets"))
	sales := settings.Of[Sales](source)

	d := engine.New[engine.NoParams]("sales")
	engine.Sink(d.Run(), "report", func(ctx context.Context, _ engine.Run[engine.NoParams]) error {
		s, err := sales.Load(ctx)
		if err != nil {
			return err
		}
		password := s.Warehouse.Password.Reveal() // for the driver alone
		fmt.Println(s.Warehouse.URL.Host, len(password), s.Batch, s.Warehouse.Password)
		return nil
	})
	// In main: cli.Main(cli.DAGs(d), cli.Settings(source))

	fmt.Println(source.Check(context.Background()))
	// Output:
	// setting WAREHOUSE_URL (Sales.Warehouse.URL): it is required and not set; set the environment variable SALES_WAREHOUSE_URL, or the file /run/secrets/WAREHOUSE_URL (where the warehouse is, without a password)
	// setting WAREHOUSE_PASSWORD (Sales.Warehouse.Password): it is required and not set; set the environment variable SALES_WAREHOUSE_PASSWORD, or the file /run/secrets/WAREHOUSE_PASSWORD (of the role that writes)
}

// A provider of one's own, in the place of a vault.
func ExampleFunc() {
	vault := settings.Func("the vault", func(_ context.Context, name string) (string, bool, error) {
		value, found := map[string]string{"WAREHOUSE_PASSWORD": "correct-horse"}[name]
		return value, found, nil
	})
	if err := os.Setenv("EXAMPLE_WAREHOUSE_URL", "postgres://writer@warehouse/sales"); err != nil {
		panic(err)
	}
	source := settings.New(settings.Env("EXAMPLE_"), vault)
	s, err := settings.Load[Sales](context.Background(), source)
	fmt.Println(s.Warehouse.URL.Host, s.Warehouse.Password, s.Batch, err)
	fmt.Println(source.Secrets().Mask("they say it is correct-horse"))
	// Output:
	// warehouse *** 500 <nil>
	// they say it is ***
}
