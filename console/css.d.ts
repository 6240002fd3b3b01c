/** A style sheet, which esbuild bundles into `main.css`. */
declare module "*.css";
