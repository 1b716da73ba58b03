(** The regular simplex: that there is one, and that a pair of balls shatters it. *)

From Coq Require Import Reals Lra Lia List Bool.
From Robust Require Import Common Pairs.
Open Scope R_scope.

Lemma norm_ge {X : inner_space} (x : X) r : 0 <= r -> r ^ 2 <= << x, x >> -> r <= norm x.
Proof.
  intros Hr H. unfold norm. rewrite <- (sqrt_pow2 r) by easy. now apply sqrt_le_1_alt.
Qed.

(** * Coordinates in R^d, d >= k - 1 *)

Lemma total_cut n d (u : nat -> R) :
  (n <= d)%nat -> (forall i, (n <= i)%nat -> u i = 0) -> total d u = total n u.
Proof.
  intros Hn H. induction d as [|d IH].
  - replace n with O by lia. easy.
  - destruct (Nat.eq_dec n (S d)) as [->|]; [easy|]. simpl. rewrite IH, H by lia. ring.
Qed.

Lemma total_pick_none k (u : nat -> R) i :
  (k <= i)%nat -> total k (fun j => (if Nat.eqb j i then 1 else 0) * u j) = 0.
Proof.
  intros Hi. rewrite (total_ext k _ (fun _ => 0)), total_const; [ring|].
  intros j Hj. replace (Nat.eqb j i) with false; [ring|]. symmetry. apply Nat.eqb_neq. lia.
Qed.

(** Vertex j < N is a e_j - b (1, ..., 1), and vertex N is - (1, ..., 1) / N, where N = k - 1. *)
Definition vertex (N : nat) (j i : nat) : R :=
  if Nat.ltb i N then
    sqrt (INR N + 1) / INR N * (if Nat.eqb i j then 1 else 0)
    + (if Nat.eqb j N then - / INR N else - ((sqrt (INR N + 1) - 1) / INR N ^ 2))
  else 0.

Lemma vertex_simplex N d : (0 < N)%nat -> (N <= d)%nat ->
  @simplex (euclidean d) (S N) (vertex N).
Proof.
  intros HN Hd a b Ha Hb.
  assert (P : 0 < INR N) by now apply lt_0_INR.
  assert (Q : sqrt (INR N + 1) ^ 2 = INR N + 1) by (apply pow2_sqrt; lra).
  rewrite S_INR. set (q := sqrt (INR N + 1)) in *.
  set (t := fun j => if Nat.eqb j N then - / INR N else - ((q - 1) / INR N ^ 2)).
  change (total d (fun i => vertex N a i * vertex N b i) =
    ((if Nat.eqb a b then INR N + 1 else 0) - 1) / (INR N + 1 - 1) ^ 2).
  rewrite (total_cut N d); [|easy|].
  2: { intros i Hi. unfold vertex. rewrite (proj2 (Nat.ltb_ge i N) Hi). ring. }
  rewrite (total_ext N _ (fun i =>
    (q / INR N) ^ 2 * ((if Nat.eqb i a then 1 else 0) * (if Nat.eqb i b then 1 else 0))
    + (q / INR N * t b * ((if Nat.eqb i a then 1 else 0) * 1)
    + (q / INR N * t a * ((if Nat.eqb i b then 1 else 0) * 1) + t a * t b)))).
  2: { intros i Hi. unfold vertex. replace (Nat.ltb i N) with true
         by (symmetry; now apply Nat.ltb_lt). fold q. fold (t a). fold (t b). ring. }
  rewrite !total_plus, !total_scal, total_const.
  destruct (Nat.eq_dec a N) as [Ea|Ea]; destruct (Nat.eq_dec b N) as [Eb|Eb].
  - rewrite !total_pick_none by lia. unfold t. rewrite Ea, Eb, !Nat.eqb_refl. field. lra.
  - rewrite (total_pick_none N _ a), (total_pick_none N (fun _ => 1) a), (total_pick N _ b) by lia.
    unfold t. rewrite Ea, Nat.eqb_refl.
    replace (Nat.eqb b N) with false by (symmetry; now apply Nat.eqb_neq).
    replace (Nat.eqb N b) with false by (symmetry; apply Nat.eqb_neq; lia). field. lra.
  - rewrite (total_pick N _ a), (total_pick N _ a), (total_pick_none N _ b) by lia.
    unfold t. rewrite Eb, Nat.eqb_refl.
    replace (Nat.eqb a N) with false by (symmetry; now apply Nat.eqb_neq). field. lra.
  - rewrite !total_pick by lia. unfold t.
    replace (Nat.eqb a N) with false by (symmetry; now apply Nat.eqb_neq).
    replace (Nat.eqb b N) with false by (symmetry; now apply Nat.eqb_neq).
    set (e := if Nat.eqb a b then 1 else 0).
    transitivity (q ^ 2 * e / INR N ^ 2 - (q ^ 2 - 1) / INR N ^ 3); [field; lra|].
    rewrite Q. unfold e. destruct (Nat.eqb a b); field; lra.
Qed.

(** * The labellings *)

Section Labelling.
Context {X : inner_space} (k : nat) (z : nat -> X) (v : nat -> bool).
Hypothesis k_large : (4 <= k)%nat.
Hypothesis is_simplex : simplex k z.

Let N := INR k - 1.
Let p := total k (fun j => if v j then 1 else 0).
Let q := total k (fun j => if v j then 0 else 1).

Lemma large : 4 <= INR k.
Proof. assert (H := le_INR 4 k k_large). simpl in H. lra. Qed.

Lemma p_q : p + q = INR k.
Proof.
  unfold p, q. rewrite <- total_plus, <- (Rmult_1_r (INR k)), <- total_const.
  apply total_ext. intros j _. destruct (v j); ring.
Qed.

Lemma count_pos (c : nat -> R) j :
  (j < k)%nat -> (forall i, 0 <= c i) -> c j = 1 -> 0 < total k c.
Proof.
  intros Hj H0 H1. apply Rlt_le_trans with 1; [lra|].
  rewrite <- H1, <- (total_pick k c j Hj). apply total_le. intros i _.
  specialize (H0 i). destruct (Nat.eqb i j); lra.
Qed.

(** The point with weight l on the centroid of the plus points, and mu on that of the others. *)
Let coef (l mu : R) : nat -> R := fun j => if v j then l / p else mu / q.
Let point (l mu : R) : X := combination k (coef l mu) z.

Hypothesis Hp : 0 < p.
Hypothesis Hq : 0 < q.

Lemma coef_total l mu : total k (coef l mu) = l + mu.
Proof.
  rewrite (total_ext k _ (fun j => l / p * (if v j then 1 else 0) + mu / q * (if v j then 0 else 1))).
  - rewrite total_plus, !total_scal. fold p q. field. lra.
  - intros j _. unfold coef. destruct (v j); ring.
Qed.

Lemma coef_product l mu l' mu' :
  total k (fun j => coef l mu j * coef l' mu' j) = l * l' / p + mu * mu' / q.
Proof.
  rewrite (total_ext k _ (fun j => l / p * (l' / p) * (if v j then 1 else 0)
    + mu / q * (mu' / q) * (if v j then 0 else 1))).
  - rewrite total_plus, !total_scal. fold p q. field. lra.
  - intros j _. unfold coef. destruct (v j); ring.
Qed.

Lemma product_at_most : p * q <= INR k ^ 2 / 4.
Proof. rewrite <- p_q. assert (Z := pow2_ge_0 (p - q)). lra. Qed.

Lemma spread : let A := INR k ^ 2 - 4 * INR k + 2 in
  2 * N <= INR k / sqrt (p * q) + (sqrt (A + INR k / p) + sqrt (A + INR k / q)).
Proof.
  intros A. assert (K := large). assert (HA : 0 < A) by (unfold A; nra).
  assert (Hpq : 0 < p * q) by nra. assert (Hm := sqrt_lt_R0 _ Hpq).
  assert (M := product_at_most).
  (* k / sqrt (p q) >= 2 *)
  assert (H1 : 2 <= INR k / sqrt (p * q)).
  { apply Rmult_le_reg_r with (sqrt (p * q)); [easy|].
    unfold Rdiv at 1. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra.
    assert (sqrt (p * q) <= INR k / 2); [|lra].
    rewrite <- (sqrt_pow2 (INR k / 2)) by lra. apply sqrt_le_1_alt. lra. }
  (* the two roots add up to at least 2 (k - 2) *)
  assert (Pp : 0 < INR k / p) by (apply Rdiv_lt_0_compat; lra).
  assert (Pq : 0 < INR k / q) by (apply Rdiv_lt_0_compat; lra).
  set (a := sqrt (A + INR k / p)). set (b := sqrt (A + INR k / q)).
  assert (Ea : a ^ 2 = A + INR k / p) by (apply pow2_sqrt; lra).
  assert (Eb : b ^ 2 = A + INR k / q) by (apply pow2_sqrt; lra).
  assert (Ha : 0 <= a) by apply sqrt_pos. assert (Hb : 0 <= b) by apply sqrt_pos.
  assert (Sum : INR k / p + INR k / q = INR k / p * (INR k / q)).
  { rewrite <- p_q. field. lra. }
  assert (Prod : 4 <= INR k / p * (INR k / q)).
  { apply Rmult_le_reg_r with (p * q); [easy|].
    replace (INR k / p * (INR k / q) * (p * q)) with (INR k ^ 2) by (field; lra). lra. }
  assert (Hab : A + 2 <= a * b).
  { apply Rsqr_incr_0_var; [|nra]. unfold Rsqr.
    replace (a * b * (a * b)) with (a ^ 2 * b ^ 2) by ring. rewrite Ea, Eb. nra. }
  assert (H2 : 2 * (INR k - 2) <= a + b).
  { apply Rsqr_incr_0_var; [|lra]. unfold Rsqr. unfold A in *. nra. }
  unfold N. lra.
Qed.

(** A labelling with both labels: centres on the line through the two centroids. *)
Lemma both_labels : exists plus minus : X,
  2 <= norm (plus - minus) /\
  forall j, (j < k)%nat ->
    << z j - if v j then plus else minus, z j - if v j then plus else minus >> = 1 - 1 / N.
Proof.
  assert (K := large). assert (HN : 0 < N) by (unfold N; lra).
  assert (Hpq : 0 < p * q) by nra. assert (Hm := sqrt_lt_R0 _ Hpq).
  set (A := INR k ^ 2 - 4 * INR k + 2). assert (HA : 0 < A) by (unfold A; nra).
  assert (Pp : 0 < INR k / p) by (apply Rdiv_lt_0_compat; lra).
  assert (Pq : 0 < INR k / q) by (apply Rdiv_lt_0_compat; lra).
  assert (Sp := spread). fold A in Sp. simpl in Sp.
  set (a := sqrt (A + INR k / p)) in *. set (b := sqrt (A + INR k / q)) in *.
  assert (Ea : a ^ 2 = A + INR k / p) by (apply pow2_sqrt; lra).
  assert (Eb : b ^ 2 = A + INR k / q) by (apply pow2_sqrt; lra).
  assert (Ha : 0 <= a) by apply sqrt_pos. assert (Hb : 0 <= b) by apply sqrt_pos.
  set (m := sqrt (p * q)) in *. assert (Em : m ^ 2 = p * q) by (apply pow2_sqrt; lra).
  set (s := a * m / INR k). set (t := b * m / INR k).
  assert (Es : s ^ 2 = (A + INR k / p) * (p * q) / INR k ^ 2).
  { unfold s. rewrite <- Ea, <- Em. field. lra. }
  assert (Et : t ^ 2 = (A + INR k / q) * (p * q) / INR k ^ 2).
  { unfold t. rewrite <- Eb, <- Em. field. lra. }
  assert (Eq : q = INR k - p) by (rewrite <- p_q; ring).
  assert (EA : A = INR k ^ 2 - 4 * INR k + 2) by reflexivity.
  exists (point (1 + s) (- s)), (point (- t) (1 + t)). split.
  - apply norm_ge; [lra|]. expand. unfold point. rewrite !simplex_dot_dot by easy.
    rewrite !coef_product, !coef_total. fold N.
    replace (_ + _) with (((INR k / m + (a + b)) / N) ^ 2).
    + apply pow_incr. split; [lra|]. apply Rmult_le_reg_r with N; [easy|].
      replace ((INR k / m + (a + b)) / N * N) with (INR k / m + (a + b)) by (field; lra). exact Sp.
    + (* both sides are (1 + s + t)^2 k (1/p + 1/q) / N^2 *)
      replace (INR k / m + (a + b)) with ((1 + s + t) * (INR k / m)) by (unfold s, t; field; lra).
      replace (((1 + s + t) * (INR k / m) / N) ^ 2)
        with ((1 + s + t) ^ 2 * INR k ^ 2 / (m ^ 2 * N ^ 2)) by (field; lra).
      rewrite Em. replace (INR k ^ 2) with (INR k * (p + q)) by (rewrite p_q; ring).
      field. lra.
  - intros j Hj. destruct (v j) eqn:Vj.
    + expand. rewrite (dot_sym _ (z j) (point (1 + s) (- s))). unfold point.
      rewrite simplex_dot_dot, simplex_dot, (is_simplex j j) by easy.
      rewrite coef_product, coef_total. fold N. unfold coef. rewrite Vj, Nat.eqb_refl.
      replace (_ + _) with ((INR k - INR k / p + s ^ 2 * (INR k ^ 2 / (p * q))) / N ^ 2).
      * rewrite Es, EA. unfold N. field. unfold N in HN. repeat split; lra.
      * replace (INR k ^ 2) with (INR k * (p + q)) by (rewrite p_q; ring). field. lra.
    + expand. rewrite (dot_sym _ (z j) (point (- t) (1 + t))). unfold point.
      rewrite simplex_dot_dot, simplex_dot, (is_simplex j j) by easy.
      rewrite coef_product, coef_total. fold N. unfold coef. rewrite Vj, Nat.eqb_refl.
      replace (_ + _) with ((INR k - INR k / q + t ^ 2 * (INR k ^ 2 / (p * q))) / N ^ 2).
      * rewrite Et, EA. unfold N. field. unfold N in HN. repeat split; lra.
      * replace (INR k ^ 2) with (INR k * (p + q)) by (rewrite p_q; ring). field. lra.
Qed.

End Labelling.

(** Every labelling: separation 2, distances at most sqrt (1 - 1 / (k - 1)), centres not far off. *)
Lemma simplex_centres {X : inner_space} k (z : nat -> X) (v : nat -> bool) :
  (4 <= k)%nat -> simplex k z -> exists plus minus : X,
  2 <= norm (plus - minus) /\ norm plus <= 2 /\ norm minus <= 2 /\
  forall j, (j < k)%nat ->
    << z j - if v j then plus else minus, z j - if v j then plus else minus >>
      <= 1 - 1 / (INR k - 1).
Proof.
  intros Hk Hz. assert (K := large k Hk).
  assert (Hsq : forall j, (j < k)%nat -> << z j, z j >> = 1 / (INR k - 1)).
  { intros j Hj. rewrite Hz, Nat.eqb_refl by easy. field. lra. }
  assert (HN : 1 / (INR k - 1) <= 1 / 3).
  { apply Rmult_le_compat_l; [lra|]. apply Rinv_le_contravar; lra. }
  assert (HN0 : 0 < 1 / (INR k - 1)) by (apply Rdiv_lt_0_compat; lra).
  (* a vector of norm 2 *)
  set (far := (2 * sqrt (INR k - 1) * z O)%vec).
  assert (Hfar : << far, far >> = 2 ^ 2).
  { unfold far. rewrite dot_vscal, dot_vscal_r, Hsq by lia.
    assert (S := sqrt_sqrt (INR k - 1) ltac:(lra)).
    set (r := sqrt (INR k - 1)) in *. rewrite <- S. field. intros E. rewrite E in S. lra. }
  assert (Nfar : norm far = 2) by (unfold norm; rewrite Hfar; apply sqrt_pow2; lra).
  (* one label only: its centre is at 0, the other one far away *)
  assert (zero_ok : forall x : X, norm (vzero - x) = norm x).
  { intros x. unfold norm. f_equal. expand.
    rewrite !(dot_sym _ x vzero), !dot_zero. ring. }
  assert (near_zero : forall j, (j < k)%nat ->
    << z j - vzero, z j - vzero >> <= 1 - 1 / (INR k - 1)).
  { intros j Hj. expand. rewrite !(dot_sym _ (z j) vzero), !dot_zero, Hsq by easy. lra. }
  assert (P : forall (b : bool), (exists j, (j < k)%nat /\ v j = b) \/
    (forall j, (j < k)%nat -> v j = negb b)).
  { intros b. clear -b. induction k as [|n IH]; [right; lia|].
    destruct IH as [(j & Hj & E)|H]; [left; exists j; split; [lia|easy]|].
    destruct (Bool.bool_dec (v n) b) as [E|E]; [left; exists n; split; [lia|easy]|].
    right. intros j Hj. destruct (Nat.eq_dec j n) as [->|]; [|apply H; lia].
    destruct (v n), b; easy. }
  destruct (P true) as [(jp & Hjp & Vp)|All]; [destruct (P false) as [(jq & Hjq & Vq)|All]|].
  - assert (Hp : 0 < total k (fun j => if v j then 1 else 0)).
    { apply (count_pos k _ jp); [easy| |now rewrite Vp]. intros i. destruct (v i); lra. }
    assert (Hq : 0 < total k (fun j => if v j then 0 else 1)).
    { apply (count_pos k _ jq); [easy| |now rewrite Vq]. intros i. destruct (v i); lra. }
    destruct (both_labels k z v Hk Hz Hp Hq) as (plus & minus & Hsep & Hnear).
    exists plus, minus. split; [easy|].
    assert (bound : forall c j, (j < k)%nat ->
      << z j - c, z j - c >> = 1 - 1 / (INR k - 1) -> norm c <= 2).
    { intros c j Hj E.
      assert (E1 : norm (z j) <= 1) by (apply norm_le; [lra|]; rewrite Hsq by easy; lra).
      assert (E2 : norm (z j - c) <= 1) by (apply norm_le; [lra|]; rewrite E; lra).
      assert (Ec : c = (z j - (z j - c))%vec).
      { rewrite vscal_vadd, vadd_assoc, vadd_opp, vscal_vscal.
        replace (-1 * -1) with 1 by ring. now rewrite vscal_one, vadd_comm, vadd_zero. }
      rewrite Ec. eapply Rle_trans; [apply norm_triangle|].
      rewrite norm_vscal, Rabs_left by lra. lra. }
    split; [|split].
    + apply (bound plus jp Hjp). specialize (Hnear jp Hjp). now rewrite Vp in Hnear.
    + apply (bound minus jq Hjq). specialize (Hnear jq Hjq). now rewrite Vq in Hnear.
    + intros j Hj. now apply Req_le, Hnear.
  - exists vzero, far. rewrite zero_ok, Nfar, norm_zero. repeat split; try lra.
    intros j Hj. rewrite (All j Hj). simpl. now apply near_zero.
  - exists far, vzero. rewrite norm_minus_sym, zero_ok, Nfar, norm_zero. repeat split; try lra.
    intros j Hj. rewrite (All j Hj). simpl. now apply near_zero.
Qed.

(** Scaled: with tau = rho delta / sqrt (1 - 1 / (k - 1)), which is at least delta. *)
Lemma simplex_scaled {X : inner_space} k (z : nat -> X) rho delta :
  (4 <= k)%nat -> simplex k z -> 0 < delta -> sqrt (1 - 1 / (INR k - 1)) <= rho -> rho <= 1 ->
  exists z' : nat -> X, forall v : nat -> bool, exists plus minus : X,
    (2 * delta <= norm (plus - minus) /\ (rho = 1 -> 2 * delta < norm (plus - minus))) /\
    norm plus <= 4 * delta /\ norm minus <= 4 * delta /\
    forall j, (j < k)%nat -> norm (z' j - if v j then plus else minus) <= rho * delta.
Proof.
  intros Hk Hz Hd Hr Hr1. assert (K := large k Hk).
  assert (HN : 1 / (INR k - 1) <= 1 / 3).
  { apply Rmult_le_compat_l; [lra|]. apply Rinv_le_contravar; lra. }
  assert (HN0 : 0 < 1 / (INR k - 1)) by (apply Rdiv_lt_0_compat; lra).
  set (r0 := sqrt (1 - 1 / (INR k - 1))) in *.
  assert (E0 : r0 ^ 2 = 1 - 1 / (INR k - 1)) by (apply pow2_sqrt; lra).
  assert (P0 : 0 < r0) by (apply sqrt_lt_R0; lra).
  assert (L0 : 1 / 2 <= r0) by nra. assert (U0 : r0 < 1) by nra.
  set (tau := rho * delta / r0).
  assert (T1 : delta <= tau).
  { unfold tau. apply Rmult_le_reg_r with r0; [easy|].
    replace (rho * delta / r0 * r0) with (rho * delta) by (field; lra). nra. }
  assert (T2 : tau <= 2 * delta).
  { unfold tau. apply Rmult_le_reg_r with r0; [easy|].
    replace (rho * delta / r0 * r0) with (rho * delta) by (field; lra). nra. }
  exists (fun j => (tau * z j)%vec). intros v.
  destruct (simplex_centres k z v Hk Hz) as (plus & minus & Hsep & Np & Nm & Hnear).
  assert (scaled : forall x y : X, norm (tau * x - tau * y)%vec = tau * norm (x - y)).
  { intros x y. transitivity (Rabs tau * norm (x - y)); [|now rewrite Rabs_pos_eq by lra].
    rewrite <- norm_vscal. f_equal. rewrite vscal_vadd, !vscal_vscal. f_equal. f_equal. ring. }
  exists (tau * plus)%vec, (tau * minus)%vec. rewrite scaled, !norm_vscal, Rabs_pos_eq by lra.
  assert (NP := norm_pos plus). assert (NM := norm_pos minus).
  split; [|split; [|split]]; try nra.
  - split; [nra|]. intros ->. assert (delta < tau); [|nra].
    unfold tau. apply Rmult_lt_reg_r with r0; [easy|].
    replace (1 * delta / r0 * r0) with delta by (field; lra). nra.
  - intros j Hj. specialize (Hnear j Hj).
    assert (E : norm (z j - if v j then plus else minus) <= r0)
      by (apply norm_le; [lra|]; rewrite E0; exact Hnear).
    replace (if v j then (tau * plus)%vec else (tau * minus)%vec)
      with (tau * if v j then plus else minus)%vec by now destruct (v j).
    rewrite scaled. replace (rho * delta) with (tau * r0) by (unfold tau; field; lra).
    apply Rmult_le_compat_l; lra.
Qed.
