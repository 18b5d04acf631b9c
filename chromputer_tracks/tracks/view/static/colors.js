// The colours of V-plots, the same as in the pictures of `chromputer vplot`.

// matplotlib's magma (CC0), 256 steps from black over red to light yellow: red, green and blue in hexadecimals.
const MAGMA =
  "00000300000400000601000701010901010b02020d02020f03031104031304041505041706051907051b" +
  "08061d09071f0a07220b08240c09260d0a280e0a2a0f0b2c100c2f110c31120d33140d35150e38160e3a" +
  "170f3c180f3f1a10411b10441c10461e10491f114b20114d2211502311522511552611572811592a115c" +
  "2b115e2d10602f1062301065321067341068350f6a370f6c390f6e3b0f6f3c0f713e0f72400f73420f74" +
  "430f75450f76470f774810784a10794b10794d117a4f117b50127b52127c53137c55137d57147d58157e" +
  "5a157e5b167e5d177e5e177f60187f61187f63197f651a80661a80681b80691c806b1c806c1d806e1e81" +
  "6f1e81711f81731f817420817621817721817922817a22817c23817e24817f2481812581822581842681" +
  "8526818727818928818a28818c29808d29808f2a80912a80922b80942b80952c80972c7f992d7f9a2d7f" +
  "9c2e7f9e2e7e9f2f7ea12f7ea3307ea4307da6317da7317da9327cab337cac337bae347bb0347bb1357a" +
  "b3357ab53679b63679b83778b93778bb3877bd3977be3976c03a75c23a75c33b74c53c74c63c73c83d72" +
  "ca3e72cb3e71cd3f70ce4070d0416fd1426ed3426dd4436dd6446cd7456bd9466ada4769dc4869dd4968" +
  "de4a67e04b66e14c66e24d65e44e64e55063e65162e75262e85461ea5560eb5660ec585fed595fee5b5e" +
  "ee5d5def5e5df0605df1615cf2635cf3655cf3675bf4685bf56a5bf56c5bf66e5bf6705bf7715bf7735c" +
  "f8755cf8775cf9795cf97b5df97d5dfa7f5efa805efa825ffb8460fb8660fb8861fb8a62fc8c63fc8e63" +
  "fc9064fc9265fc9366fd9567fd9768fd9969fd9b6afd9d6bfd9f6cfda16efda26ffda470fea671fea873" +
  "feaa74feac75feae76feaf78feb179feb37bfeb57cfeb77dfeb97ffebb80febc82febe83fec085fec286" +
  "fec488fec689fec78bfec98dfecb8efdcd90fdcf92fdd193fdd295fdd497fdd698fdd89afdda9cfddc9d" +
  "fddd9ffddfa1fde1a3fce3a5fce5a6fce6a8fce8aafceaacfcecaefceeb0fcf0b1fcf1b3fcf3b5fcf5b7" +
  "fbf7b9fbf9bbfbfabdfbfcbf";

// Blue over white to red, each step as far from the next as any other in Oklab.
const SIGNED = [
  "#0a2f5c", "#124580", "#1f5e9f", "#2c7bb5", "#4897c5", "#74b0d4", "#a0c8e1", "#cbe0ed", "#f7f7f7",
  "#f9d7c0", "#f4b493", "#ea8f6b", "#db6a4c", "#c8433a", "#ac1c2e", "#870425", "#5f0a20",
].map((text) => [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16)));

export const NO_VALUE = [0xc9, 0xce, 0xd4];

// A share of the way through the colours, 0 to 1, to [red, green, blue].
export function sequential(share) {
  const step = Math.min(255, Math.floor(Math.min(1, Math.max(0, share)) * 256));
  return [0, 2, 4].map((at) => Number.parseInt(MAGMA.slice(step * 6 + at, step * 6 + at + 2), 16));
}

export function signed(share) {
  const place = Math.min(1, Math.max(0, share)) * (SIGNED.length - 1);
  const low = Math.min(SIGNED.length - 2, Math.floor(place));
  return SIGNED[low].map((one, i) => Math.round(one + (SIGNED[low + 1][i] - one) * (place - low)));
}
