import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  // Addresses in what is built are relative, so that a proxy may serve it below any path.
  base: "./",
  plugins: [react()],
  build: {
    outDir: "../src/tallymark/web/dist/app",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    target: "es2022",
    rolldownOptions: {
      // The page of a link is apart: it is opened by people who will never open the rest.
      input: ["index.html", "shared.html"],
      output: {
        codeSplitting: {
          groups: [
            { name: "vendor", test: /node_modules\/(react|react-dom|scheduler|@tanstack|wouter)\//, priority: 3 },
            // What both pages start with: the words, the calls, and what stands where an answer will.
            { name: "base", test: /src\/(i18n\/(en|t)\.|api|styles|query|start|ui\/(basics|DataTable|Icon|states|Markdown|preferences|toast)|views\/opening|charts\/useWidth|boards\/(TileView|Grid|layout|narrow))/, priority: 2 },
            // Every drawing, and none of the widgets with which questions are put.
            { name: "views", test: /src\/(charts\/(?!WorldMap|world)|views)/, priority: 1 },
            // Most screens need most of it: one file is sooner there than twenty small ones.
            { name: "kit", test: /src\/(builder|ui)\// },
          ],
        },
      },
    },
  },
  server: { proxy: { "/tm": process.env["TALLYMARK"] ?? "http://127.0.0.1:8410" } },
  test: { include: ["tests/**/*.test.ts"], setupFiles: ["src/i18n/setup.ts"] },
});
