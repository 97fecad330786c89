/** The page of a link. It is apart from the application: whoever opens a link needs none of the rest. */
import { QueryClientProvider } from "@tanstack/react-query";
import { boot } from "./api/client";
import { queries } from "./api/queries";
import Shared from "./screens/shared";
import { start } from "./start";

const token = location.pathname.slice(boot.base.length).split("/")[2] ?? "";

start(
  <QueryClientProvider client={queries}>
    <Shared token={decodeURIComponent(token)} />
  </QueryClientProvider>,
);
